"""What sfdisk, lsblk, blkid and dumpe2fs print, as values.

Sources: sfdisk(8) --json, lsblk(8) --json, blkid(8) -o export, dumpe2fs(8) -h. Pure functions;
`disks.py` runs the programs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from haoscar_pxe.errors import CaptureError

LSBLK_COLUMNS: Final = "NAME,KNAME,TYPE,SIZE,LOG-SEC,FSTYPE"
"""NAME is there because without it lsblk prints a flat list instead of the tree."""

_STATE_FEATURES: Final = frozenset({"needs_recovery", "orphan_present"})
"""States of a mounted file system that dumpe2fs lists among its features."""

_T = TypeVar("_T")


class PartitionRow(Struct, frozen=True):
    """One partition as sfdisk prints it. start, size: in sectors; type: MBR code or GPT GUID."""

    node: str
    start: int
    size: int
    type: str
    uuid: str = ""
    name: str = ""
    bootable: bool = False

    @property
    def number(self) -> int:
        """The partition's number, which ends its node's name."""
        found = re.search(r"\d+$", self.node)
        return int(found[0]) if found else 0


class PartitionTable(Struct, frozen=True):
    """A partition table as sfdisk prints it. label: "dos" or "gpt" (or one that is not ours)."""

    label: str
    id: str = ""
    sectorsize: int = 512
    partitions: tuple[PartitionRow, ...] = ()


class BlockNode(Struct, frozen=True):
    """A block device in lsblk's tree. type: "disk", "part", "lvm", "crypt", "raid1", …"""

    kname: str
    type: str
    size: int
    log_sec: int = msgspec.field(name="log-sec", default=512)
    fstype: str | None = None
    children: tuple[BlockNode, ...] = ()

    @property
    def path(self) -> str:
        """Its device node. Sysfs writes "!" where the node has a slash (cciss!c0d0)."""
        return "/dev/" + self.kname.replace("!", "/")


@dataclass(frozen=True, slots=True)
class Signature:
    """What blkid finds on a device. kind: "ext4", "swap", "LVM2_member", …"""

    kind: str
    uuid: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class ExtFeatures:
    """Of an ext2/3/4 file system: what a clone must be made with."""

    features: tuple[str, ...]
    block_size_bytes: int
    inode_size_bytes: int
    inode_count: int


class _SfdiskOutput(Struct, frozen=True):
    partitiontable: PartitionTable


class _LsblkOutput(Struct, frozen=True):
    blockdevices: tuple[BlockNode, ...]


def parse_sfdisk(output: bytes) -> PartitionTable:
    """Read `sfdisk --json DISK`. Raises CaptureError."""
    return _decode(output, _SfdiskOutput, "sfdisk --json").partitiontable


def parse_lsblk(output: bytes) -> tuple[BlockNode, ...]:
    """Read `lsblk --json --bytes -o LSBLK_COLUMNS`. Raises CaptureError."""
    return _decode(output, _LsblkOutput, "lsblk --json").blockdevices


def parse_blkid(output: bytes) -> Signature | None:
    r"""Read `blkid -p -o export DEVICE`; None when it names no type.

    >>> parse_blkid(b"DEVNAME=/dev/sda1\nUUID=7060-F497\nLABEL=my\\ disk\nTYPE=vfat\n")
    Signature(kind='vfat', uuid='7060-F497', label='my disk')
    """
    text = output.decode("utf-8", "replace")
    pairs = dict(line.partition("=")[::2] for line in text.splitlines())
    if "TYPE" not in pairs:
        return None
    unescaped = {name: re.sub(r"\\(.)", r"\1", value) for name, value in pairs.items()}
    return Signature(unescaped["TYPE"], unescaped.get("UUID", ""), unescaped.get("LABEL", ""))


def parse_dumpe2fs(output: bytes) -> ExtFeatures:
    """Read `dumpe2fs -h DEVICE`. Raises CaptureError when a line that must be there is not."""
    text = output.decode("utf-8", "replace")
    pairs = (line.partition(":")[::2] for line in text.splitlines())
    values = {name.strip(): value.strip() for name, value in pairs}
    try:
        features = values["Filesystem features"].split()
        return ExtFeatures(
            features=tuple(name for name in features if name not in _STATE_FEATURES),
            block_size_bytes=int(values["Block size"]),
            inode_size_bytes=int(values["Inode size"]),
            inode_count=int(values["Inode count"]),
        )
    except (KeyError, ValueError) as error:
        raise CaptureError(f"dumpe2fs printed something unexpected: {error}") from error


def _decode(output: bytes, shape: type[_T], program: str) -> _T:
    try:
        # Not strict: util-linux before 2.33 prints numbers as strings.
        return msgspec.json.decode(output, type=shape, strict=False)
    except msgspec.MsgspecError as error:
        raise CaptureError(f"{program} printed something unexpected: {error}") from error
