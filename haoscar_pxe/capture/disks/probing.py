"""Asks the system's tools for the disks of this machine: tables, signatures, features.

It writes nothing. `layout.py` makes the disk layout of what is found here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from haoscar_pxe.capture.disks.tool_output import (
    LSBLK_COLUMNS,
    BlockNode,
    ExtFeatures,
    PartitionTable,
    Signature,
    parse_blkid,
    parse_dumpe2fs,
    parse_lsblk,
    parse_sfdisk,
)
from haoscar_pxe.command import Run
from haoscar_pxe.errors import CommandError

EXT_KINDS: Final = frozenset({"ext2", "ext3", "ext4"})
BLKID_NOTHING_FOUND: Final = 2  # blkid(8), RETURN CODE
BLKID_AMBIVALENT: Final = 8

_HINT: Final = "capture as root on the head itself, or give the disks with --layout FILE"


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """What the tools say; everything by kernel name ("sda", "sda1").

    nodes: lsblk's tree of the whole machine. wanted: disks that hold what is captured.
    tables: of wanted disks that have partitions. signatures: of their partitions, where
    blkid recognises any. ext: of those that are mounted.
    """

    nodes: tuple[BlockNode, ...]
    wanted: frozenset[str]
    tables: Mapping[str, PartitionTable]
    signatures: Mapping[str, Signature]
    ext: Mapping[str, ExtFeatures]

    def wanted_disks(self) -> list[BlockNode]:
        """The disks that hold what is captured, in lsblk's order."""
        return [node for node in self.nodes if node.kname in self.wanted]


def probe(wanted: frozenset[str], mounted: Collection[str], run: Run) -> DiskFacts:
    """Ask for the wanted disks and for the mounted file systems on them (kernel names).

    A file system that is not mounted is not looked into: one that is damaged stops no capture.

    Raises MissingToolError, CommandError (a tool failed), CaptureError (it printed nonsense).
    """
    lsblk = ["lsblk", "--json", "--bytes", "--output", LSBLK_COLUMNS]
    nodes = parse_lsblk(run(lsblk, hint=_HINT).stdout)
    disks = [node for node in nodes if node.kname in wanted]
    tables, signatures, ext = {}, {}, {}
    for disk in disks:
        partitions = partitions_of(disk)
        if partitions:
            sfdisk = run(["sfdisk", "--json", disk.path], hint=_HINT)
            tables[disk.kname] = parse_sfdisk(sfdisk.stdout)
        for device in partitions or [disk]:
            signature = _signature(device.path, run)
            if signature is None:
                continue
            signatures[device.kname] = signature
            if signature.kind in EXT_KINDS and device.kname in mounted:
                dumpe2fs = run(["dumpe2fs", "-h", device.path], hint=_HINT)
                ext[device.kname] = parse_dumpe2fs(dumpe2fs.stdout)
    return DiskFacts(nodes, wanted, tables, signatures, ext)


def partitions_of(disk: BlockNode) -> list[BlockNode]:
    """The disk's partitions."""
    return [node for node in disk.children if node.type == "part"]


def descendants(node: BlockNode) -> Iterator[BlockNode]:
    """Everything that is built on the device: volumes, arrays, what they carry."""
    for child in node.children:
        yield child
        yield from descendants(child)


def find_node(nodes: Iterable[BlockNode], kname: str) -> BlockNode | None:
    """The device of that kernel name, wherever it is in the tree."""
    for node in nodes:
        if node.kname == kname:
            return node
        if found := find_node(node.children, kname):
            return found
    return None


def _signature(path: str, run: Run) -> Signature | None:
    try:
        return parse_blkid(run(["blkid", "-p", "-o", "export", path], hint=_HINT).stdout)
    except CommandError as error:
        if error.status in (BLKID_NOTHING_FOUND, BLKID_AMBIVALENT):
            return None
        raise
