"""The disk layout of a live head, made of what the tools say and of what is mounted.

A pure function. Everything that carries captured files is in the layout, whether it can be
rebuilt yet or not: what cannot is `Unsupported` by name, and the installer refuses by that name.
What carries none (an old system's partition) is left out with a warning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec import structs

from haoscar_pxe.capture.disks.fstab import FstabLine
from haoscar_pxe.capture.disks.probing import DiskFacts, descendants, partitions_of
from haoscar_pxe.capture.disks.tool_output import BlockNode, PartitionRow, PartitionTable
from haoscar_pxe.capture.warning import CaptureWarning
from haoscar_pxe.image.layout import (
    BiosBoot,
    Boot,
    Content,
    Disk,
    DiskLayout,
    Extended,
    FileSystem,
    Partition,
    Swap,
    TableKind,
    Unsupported,
)

MBR_EXTENDED_TYPES: Final = frozenset({"5", "f", "85"})
GPT_BIOS_BOOT: Final = "21686148-6449-6E6F-744E-656564454649"  # GRUB manual, "BIOS installation"

_TABLES: Final[Mapping[str, TableKind]] = {"dos": "mbr", "gpt": "gpt"}


@dataclass(frozen=True, slots=True)
class Mounted:
    """A captured file system. mount_point: in the image ("/", "/boot")."""

    mount_point: str
    kind: str


@dataclass(frozen=True, slots=True)
class LiveDisks:
    """All that a live head's layout is made of. mounted: by the kernel name of the device."""

    facts: DiskFacts
    mounted: Mapping[str, Sequence[Mounted]]
    fstab: Sequence[FstabLine]


def live_layout(disks: LiveDisks, boot: Boot) -> tuple[DiskLayout, list[CaptureWarning]]:
    """The layout, and a warning for each partition that does not become part of it."""
    warnings: list[CaptureWarning] = []
    made = []
    for node in disks.facts.wanted_disks():
        table = disks.facts.tables.get(node.kname)
        if table is None:
            made.append(_whole_disk(node, "", _carried(node, disks), disks))
        elif table.label not in _TABLES:
            made.append(_whole_disk(node, table.label, _carried(node, disks), disks))
        else:
            made.append(_disk(node, table, disks, warnings))
    return DiskLayout(disks=tuple(made), boot=boot), warnings


def _disk(
    node: BlockNode, table: PartitionTable, disks: LiveDisks, warnings: list[CaptureWarning]
) -> Disk:
    by_path = {child.path: child for child in partitions_of(node)}
    partitions = []
    for row in sorted(table.partitions, key=lambda row: row.number):
        content = _content(row, by_path.get(row.node), disks)
        if content is None:
            warnings.append(_dropped(row, by_path.get(row.node), disks))
        else:
            partitions.append(_partition(row, table.sectorsize, content))
    return Disk(
        device=node.path,
        size_bytes=node.size,
        sector_bytes=table.sectorsize,
        table=_TABLES[table.label],
        table_id=table.id,
        partitions=tuple(partitions),
    )


def _partition(row: PartitionRow, sector_bytes: int, content: Content) -> Partition:
    return Partition(
        number=row.number,
        start_bytes=row.start * sector_bytes,
        size_bytes=row.size * sector_bytes,
        type_code=row.type,
        uuid=row.uuid,
        name=row.name,
        is_bootable=row.bootable,
        content=content,
    )


def _content(row: PartitionRow, node: BlockNode | None, disks: LiveDisks) -> Content | None:
    """What the partition is for; None when nothing of it is captured."""
    if row.type.lower() in MBR_EXTENDED_TYPES:
        return Extended()
    if row.type.upper() == GPT_BIOS_BOOT:
        return BiosBoot()
    if node is None:
        return None
    signature = disks.facts.signatures.get(node.kname)
    if signature is not None and signature.kind == "swap":
        return Swap(uuid=signature.uuid, label=signature.label)
    if mounted := disks.mounted.get(node.kname):
        return _file_system(node, mounted, disks)
    if carried := _carried(node, disks):
        kind = signature.kind if signature else "unknown"
        return Unsupported(kind=kind, detail=f"{node.path} carries {carried}")
    return None


def _file_system(node: BlockNode, mounted: Sequence[Mounted], disks: LiveDisks) -> FileSystem:
    """Of several sights of one file system (btrfs sub-volumes) the shallowest gives the place."""
    place = min(mounted, key=lambda one: (len(one.mount_point), one.mount_point))
    signature = disks.facts.signatures.get(node.kname)
    ext = disks.facts.ext.get(node.kname)
    return FileSystem(
        kind=place.kind,
        uuid=signature.uuid if signature else "",
        label=signature.label if signature else "",
        mount_point=place.mount_point,
        mount_options=mount_options(disks.fstab, place.mount_point),
        features=ext.features if ext else (),
        block_size_bytes=ext.block_size_bytes if ext else 0,
        inode_size_bytes=ext.inode_size_bytes if ext else 0,
        inode_count=ext.inode_count if ext else 0,
    )


def with_usage(layout: DiskLayout, used_bytes: Mapping[str, int]) -> DiskLayout:
    """The layout with what each file system's content takes, by mount point."""
    disks = tuple(
        structs.replace(
            disk,
            partitions=tuple(_partition_with_usage(one, used_bytes) for one in disk.partitions),
        )
        for disk in layout.disks
    )
    return structs.replace(layout, disks=disks)


def _partition_with_usage(partition: Partition, used_bytes: Mapping[str, int]) -> Partition:
    content = partition.content
    if not isinstance(content, FileSystem):
        return partition
    used = used_bytes.get(content.mount_point, 0)
    return structs.replace(partition, content=structs.replace(content, used_bytes=used))


def mount_options(fstab: Sequence[FstabLine], mount_point: str) -> str:
    """The options that fstab gives a mount point; "defaults" where it has no line for it."""
    for line in fstab:
        if line.mount_point == mount_point:
            return ",".join(line.options)
    return "defaults"


def _carried(node: BlockNode, disks: LiveDisks) -> str:
    """In words, what of the image lies on the device or is built on it; "" for nothing."""
    found = []
    for device in (node, *descendants(node)):
        for one in disks.mounted.get(device.kname, ()):
            found.append(f"{one.mount_point} ({one.kind} on {device.path}, {device.type})")
        if device.fstype == "swap":
            found.append(f"swap ({device.path}, {device.type})")
    return ", ".join(dict.fromkeys(found))


def _whole_disk(node: BlockNode, label: str, carried: str, disks: LiveDisks) -> Disk:
    """A disk that is one piece to us: the model has partitions, so it is shown as its only one."""
    signature = disks.facts.signatures.get(node.kname)
    what = signature.kind if signature else "unknown"
    kind = f"partition table '{label}'" if label else f"{what} on a whole disk"
    content = Unsupported(kind=kind, detail=f"{node.path} carries {carried or 'nothing known'}")
    partition = Partition(
        number=1, start_bytes=0, size_bytes=node.size, type_code="", content=content
    )
    return Disk(
        device=node.path,
        size_bytes=node.size,
        sector_bytes=node.log_sec,
        table="gpt",
        table_id="",
        partitions=(partition,),
    )


def _dropped(row: PartitionRow, node: BlockNode | None, disks: LiveDisks) -> CaptureWarning:
    signature = disks.facts.signatures.get(node.kname) if node else None
    what = f"{signature.kind}, not mounted" if signature else "nothing known on it"
    return CaptureWarning(
        f"partition {row.node} ({what}) is not captured and will not be on the standby's disk",
        "mount it and capture again if the standby needs it",
    )
