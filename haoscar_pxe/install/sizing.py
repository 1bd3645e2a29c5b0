"""How large each partition becomes on a disk that is not the head's own. Pure.

Partitions keep their starts and sizes. The last ext2/3/4 file system takes what a larger disk has
more, and gives what a smaller one lacks as long as its content still fits with room to work in;
what lies behind it moves along. Sizes are bytes, and everything stays on 1 MiB boundaries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from haoscar_pxe.image.layout import Disk, Extended, FileSystem, Partition

MIB: Final = 1 << 20
GPT_TAIL_BYTES: Final = MIB
"""The backup table is 33 sectors at the end (UEFI 2.10, 5.3.1); a whole MiB keeps alignment."""
MBR_SECTORS: Final = 2**32 - 1
"""Starts and sizes in an MBR are 32-bit sector counts."""
EXT: Final = ("ext2", "ext3", "ext4")
MARGIN: Final = 1.15
"""ext4's own tables and journal, and room to work: content is not all that a file system holds."""
SPARE_BYTES: Final = 64 * MIB
BLOCK_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class ImageTotals:
    """What is to be laid down: bytes of content without holes, and the number of entries."""

    content_bytes: int
    entries: int


@dataclass(frozen=True, slots=True)
class Sized:
    """A partition as it will be. note: what changed against the head's disk, "" for nothing."""

    partition: Partition
    start_bytes: int
    size_bytes: int
    note: str = ""


def least_bytes(disk: Disk, partition: Partition, totals: ImageTotals) -> int:
    """The least size the partition may have.

    A file system that shrinks needs room to work in besides its content; at the head's own size
    it was full or not, and is taken as it was. Where the disk has one file system only, the
    image's totals say what it holds: an entry may cost a block more than its bytes.
    """
    file_system = partition.content
    if not isinstance(file_system, FileSystem) or file_system.kind not in EXT:
        return partition.size_bytes
    content = file_system.used_bytes
    if sum(isinstance(each.content, FileSystem) for each in disk.partitions) == 1:
        content = max(content, totals.content_bytes)
        roomy = int((content + totals.entries * BLOCK_BYTES) * MARGIN) + SPARE_BYTES
    else:
        roomy = int(content * MARGIN) + SPARE_BYTES
    return _whole_mib(max(content, min(roomy, partition.size_bytes)))


def least_disk_bytes(disk: Disk, totals: ImageTotals) -> int:
    """The smallest disk that can carry the layout."""
    stretch = _stretchable(disk)
    end = _end(disk)
    if stretch is not None:
        spare_bytes = stretch.size_bytes - least_bytes(disk, stretch, totals)
        end -= max(0, spare_bytes - MIB)  # `size` rounds down to whole MiB
    return end + (GPT_TAIL_BYTES if disk.table == "gpt" else 0)


def size(disk: Disk, machine_bytes: int, sector_bytes: int) -> list[Sized]:
    """Every partition's place on a disk of machine_bytes, ordered by start.

    The disk is at least `least_disk_bytes` large; the caller has made sure of that.
    """
    ordered = _ordered(disk)
    stretch = _stretchable(disk)
    if stretch is None:
        return [Sized(each, each.start_bytes, each.size_bytes) for each in ordered]
    more_bytes = _usable(disk, machine_bytes, sector_bytes) - _end(disk)
    return [_stretched(each, stretch, more_bytes // MIB * MIB) for each in ordered]


def _stretched(partition: Partition, stretch: Partition, more_bytes: int) -> Sized:
    sized = Sized(partition, partition.start_bytes, partition.size_bytes)
    if more_bytes == 0:
        return sized
    if partition.number == stretch.number or _is_around(partition, stretch):
        verb = "grown" if more_bytes > 0 else "shrunk"
        note = f"{verb} by {abs(more_bytes) // MIB} MiB to fill this disk"
        return replace(sized, size_bytes=partition.size_bytes + more_bytes, note=note)
    if partition.start_bytes > stretch.start_bytes:
        return replace(sized, start_bytes=partition.start_bytes + more_bytes, note="moved along")
    return sized


def _is_around(partition: Partition, stretch: Partition) -> bool:
    """An extended partition that holds the one which is stretched."""
    end_bytes = partition.start_bytes + partition.size_bytes
    is_extended = isinstance(partition.content, Extended)
    return is_extended and partition.start_bytes < stretch.start_bytes < end_bytes


def too_small(disk: Disk, sized: Sequence[Sized], totals: ImageTotals) -> list[str]:
    """File systems whose content does not fit where it is to go, each in words with numbers."""
    return [
        f"partition {each.partition.number} ({content.mount_point}): its content needs "
        f"{least // MIB} MiB, it has {each.size_bytes // MIB} MiB"
        for each in sized
        if isinstance(content := each.partition.content, FileSystem)
        and each.size_bytes < (least := least_bytes(disk, each.partition, totals)) // MIB * MIB
    ]


def inodes(
    file_system: FileSystem, captured_bytes: int, size_bytes: int, totals: ImageTotals
) -> int:
    """How many inodes to make: as dense as on the head, and enough for every entry.

    >>> fs = FileSystem(kind="ext4", uuid="", mount_point="/", inode_count=1000)
    >>> inodes(fs, 10 << 20, 20 << 20, ImageTotals(0, 100))
    2000
    """
    bytes_per_inode = 16384  # mke2fs's own default
    dense = size_bytes // bytes_per_inode
    if file_system.inode_count:
        dense = file_system.inode_count * size_bytes // captured_bytes
    return min(max(dense, totals.entries * 5 // 4 + 1024), 2**32 - 1)


def _whole_mib(size_bytes: int) -> int:
    return (size_bytes + MIB - 1) // MIB * MIB


def _end(disk: Disk) -> int:
    return max(each.start_bytes + each.size_bytes for each in disk.partitions)


def _ordered(disk: Disk) -> list[Partition]:
    return sorted(disk.partitions, key=lambda partition: partition.start_bytes)


def _stretchable(disk: Disk) -> Partition | None:
    """The last file system that can be made in any size."""
    suited = [
        partition
        for partition in _ordered(disk)
        if isinstance(partition.content, FileSystem) and partition.content.kind in EXT
    ]
    return suited[-1] if suited else None


def _usable(disk: Disk, machine_bytes: int, sector_bytes: int) -> int:
    """Where the last partition must end at the latest."""
    if disk.table == "gpt":
        return machine_bytes - GPT_TAIL_BYTES
    return min(machine_bytes, MBR_SECTORS * sector_bytes)
