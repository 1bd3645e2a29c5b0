"""The install plan: from the image's layout and the machine's disks to what will be done. Pure.

Everything that erases is decided here, before the first byte is written, each with its reason;
whatever speaks against it is told at once, not one by one. `steps.py` carries the plan out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn, assert_never

from haoscar_pxe.errors import PlanRefusedError
from haoscar_pxe.image.layout import (
    GPT_ESP,
    BiosBoot,
    Disk,
    DiskLayout,
    Extended,
    FileSystem,
    Firmware,
    Partition,
    Swap,
    Unsupported,
)
from haoscar_pxe.install import choice, sizing, supported
from haoscar_pxe.install.choice import Chosen, Refusal
from haoscar_pxe.install.claim import claim_of, has_room
from haoscar_pxe.install.machine import MachineDisk
from haoscar_pxe.install.sizing import MIB, ImageTotals
from haoscar_pxe.nodes.order import InstallOrder


@dataclass(frozen=True, slots=True)
class PlannedPartition:
    """One partition that will be made.

    device: its path on this machine. start_bytes, size_bytes: on this machine's disk.
    inodes: of an ext2/3/4, 0 otherwise. note: what differs from the head's, "" for nothing.
    """

    source: Partition
    device: str
    start_bytes: int
    size_bytes: int
    inodes: int = 0
    note: str = ""

    @property
    def file_system(self) -> FileSystem | None:
        """The file system that goes into it, if one does."""
        return self.source.content if isinstance(self.source.content, FileSystem) else None


@dataclass(frozen=True, slots=True)
class InstallPlan:
    """All that the installation will do to one disk.

    source: the head's disk that this one becomes. claim: what marks the disk as begun by this
    order, "" if the layout has no room for it. firmware: what it will boot by.
    """

    source: Disk
    chosen: Chosen
    partitions: tuple[PlannedPartition, ...]
    claim: str
    firmware: Firmware = "bios"

    @property
    def disk(self) -> MachineDisk:
        """The disk that is written to."""
        return self.chosen.disk

    @property
    def mounts(self) -> list[PlannedPartition]:
        """The partitions with file systems, "/" before what is mounted below it."""
        mounted = [each for each in self.partitions if each.file_system]
        return sorted(mounted, key=lambda each: _mount_point(each).rstrip("/").split("/"))

    @property
    def efi_system_partition(self) -> PlannedPartition | None:
        """What UEFI will load from; None for a BIOS."""
        found = (
            each
            for each in self.partitions
            if self.firmware == "uefi" and each.source.type_code.upper() == GPT_ESP
        )
        return next(found, None)

    @property
    def boot_file_system(self) -> FileSystem:
        """The file system that holds /boot."""
        found = [fs for each in self.mounts if (fs := each.file_system)]
        return next((fs for fs in found if fs.mount_point == "/boot"), found[0])


def plan(
    layout: DiskLayout,
    totals: ImageTotals,
    disks: Sequence[MachineDisk],
    order: InstallOrder,
    machine_firmware: Firmware,
) -> InstallPlan:
    """Plan the installation. Raises PlanRefusedError with every reason against it."""
    refusals = supported.refusals(layout, machine_firmware)
    if refusals:
        _refuse(order, refusals)
    source = layout.disks[0]
    chosen = choice.choose(disks, order, sizing.least_disk_bytes(source, totals))
    if not isinstance(chosen, Chosen):
        _refuse(order, chosen)
    partitions = _partitions(source, chosen.disk, order, totals)
    return InstallPlan(
        source=source,
        chosen=chosen,
        partitions=partitions,
        claim=claim_of(order.token) if has_room(source) else "",
        firmware=layout.boot.firmware,
    )


def _refuse(order: InstallOrder, refusals: Sequence[Refusal]) -> NoReturn:
    reasons = "".join(f"\n    {refusal.reason}" for refusal in refusals)
    hints = dict.fromkeys(refusal.hint for refusal in refusals if refusal.hint)
    what = f"{order.image} generation {order.generation}"
    raise PlanRefusedError(
        f"{what} is not installed on {order.node}, whose disks were not touched:{reasons}",
        hint="; ".join(hints),
    )


def _partitions(
    source: Disk, disk: MachineDisk, order: InstallOrder, totals: ImageTotals
) -> tuple[PlannedPartition, ...]:
    sized = sizing.size(source, disk.size_bytes, disk.sector_bytes)
    refusals = [Refusal(reason) for reason in sizing.too_small(source, sized, totals)]
    refusals.extend(_misplaced(sized, disk))
    if refusals:
        _refuse(order, refusals)
    return tuple(
        PlannedPartition(
            source=each.partition,
            device=partition_device(disk.path, each.partition.number),
            start_bytes=each.start_bytes,
            size_bytes=each.size_bytes,
            inodes=_inodes(each, totals),
            note=each.note,
        )
        for each in sized
    )


def _misplaced(sized: Sequence[sizing.Sized], disk: MachineDisk) -> list[Refusal]:
    return [
        Refusal(
            f"partition {each.partition.number} starts at byte {each.start_bytes}, which is not on "
            f"a sector of {disk.path} ({disk.sector_bytes} bytes)"
        )
        for each in sized
        if each.start_bytes % disk.sector_bytes
    ]


def _inodes(sized: sizing.Sized, totals: ImageTotals) -> int:
    content = sized.partition.content
    if not isinstance(content, FileSystem) or content.kind not in sizing.EXT:
        return 0
    return sizing.inodes(content, sized.partition.size_bytes, sized.size_bytes, totals)


def partition_device(disk: str, number: int) -> str:
    """The kernel's name of a partition.

    >>> partition_device("/dev/sda", 1), partition_device("/dev/nvme0n1", 2)
    ('/dev/sda1', '/dev/nvme0n1p2')
    """
    return f"{disk}p{number}" if disk[-1].isdigit() else f"{disk}{number}"


def explain(install_plan: InstallPlan) -> list[str]:
    """The plan in lines that a person can read, in the order in which it will be done."""
    chosen, source = install_plan.chosen, install_plan.source
    lines = [
        f"disk       {chosen.disk.describe()}: {chosen.why}",
        f"erase      allowed, because {chosen.why_writable}",
        f"table      {source.table}, {source.table_id}, as the image has it",
    ]
    for each in install_plan.partitions:
        note = f" ({each.note})" if each.note else ""
        place = f"{each.size_bytes // MIB} MiB from {each.start_bytes // MIB} MiB"
        lines.append(f"partition  {each.device}: {place}: {_made(each)}{note}")
    lines.append(f"boot       {_boot(install_plan)}")
    if not install_plan.claim:
        lines.append("note       no room for a claim: if interrupted, this disk is not blank")
    return lines


def _boot(install_plan: InstallPlan) -> str:
    if esp := install_plan.efi_system_partition:
        return f"UEFI from {esp.device}, by the image's own boot loader, and a boot entry for it"
    return f"GRUB for BIOS on {install_plan.disk.path}, by the image's own tools"


def _made(partition: PlannedPartition) -> str:
    match partition.source.content:
        case FileSystem(kind=kind, uuid=uuid, mount_point=mount_point):
            return f"{kind} {uuid} for {mount_point}"
        case Swap(uuid=uuid):
            return f"swap {uuid}"
        case BiosBoot():
            return "room for GRUB"
        case Extended():
            return "holds the logical partitions"
        case Unsupported(kind=kind):
            return kind
        case other:
            assert_never(other)


def _mount_point(partition: PlannedPartition) -> str:
    return partition.file_system.mount_point if partition.file_system else ""
