"""The disk of a machine that is off, as the tree its system would see: mounted, read-only.

Each partition is cut out of the disk's file by offset and size (the kernel need not scan loop
devices for partitions; not all can). Nothing on the disk changes: all is read-only and ext4 is
mounted without replaying its journal. mount(8) sets the loop device up so that it vanishes with
the mount, even if whoever mounted it was killed.

Sources: sfdisk(8) --json, mount(8) "The loop device", blkid(8) -O, ext4(5) `noload`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from haoscar_pxe.command import Run, run
from haoscar_pxe.errors import RehearsalError
from haoscar_pxe.image.layout import DiskLayout, FileSystem
from haoscar_pxe.rehearse.fat import copy_fat

EXT: Final = ("ext2", "ext3", "ext4")


class TablePartition(msgspec.Struct, frozen=True):
    """One partition as sfdisk prints it; start and size in sectors."""

    node: str
    start: int
    size: int

    @property
    def number(self) -> int:
        """The digits at the end of the node's name: "disk.raw2" is partition 2."""
        matched = re.search(r"(\d+)$", self.node)
        return int(matched[1]) if matched else 0


class Table(msgspec.Struct, frozen=True):
    """A partition table as sfdisk prints it."""

    label: str
    sectorsize: int = 512
    partitions: tuple[TablePartition, ...] = ()


class Printed(msgspec.Struct, frozen=True):
    """What `sfdisk --json` prints."""

    partitiontable: Table


@dataclass(frozen=True, slots=True)
class MountedFileSystem:
    """One file system of the tree. found_uuid: what blkid reads from the disk."""

    expected: FileSystem
    found_uuid: str


@dataclass(frozen=True, slots=True)
class MountedDisk:
    """The tree at `root`, and the file systems it consists of."""

    root: Path
    file_systems: tuple[MountedFileSystem, ...]


def read_table(disk: Path, run: Run = run) -> Table:
    """The partition table of a disk image. Raises CommandError if it has none."""
    printed = run(["sfdisk", "--json", str(disk)]).stdout
    return msgspec.json.decode(printed, type=Printed).partitiontable


@contextmanager
def mounted(disk: Path, layout: DiskLayout, root: Path, run: Run = run) -> Iterator[MountedDisk]:
    """Mount every file system of a one-disk layout below `root`, an empty folder.

    Needs root. Raises RehearsalError if the disk lacks a partition of the layout, CommandError if
    one does not mount. All is unmounted and detached at the end.
    """
    table = read_table(disk, run)
    root.mkdir(parents=True, exist_ok=True)
    unmount_below(root, run)
    try:
        yield MountedDisk(
            root,
            tuple(
                _mount(disk, _extent(table, number), file_system, root, run)
                for number, file_system in _by_mount_point(layout)
            ),
        )
    finally:
        unmount_below(root, run)


def unmount_below(folder: Path, run: Run = run) -> None:
    """Unmount what is mounted at or in a folder, the innermost first."""
    for mount_point in reversed(_mounted_below(folder)):
        run(["umount", mount_point])


def _mounted_below(folder: Path) -> list[str]:
    # Field 5 of proc(5)'s mountinfo, where blanks and backslashes are octal escapes.
    lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    points = [re.sub(r"\\(\d{3})", _unescape, line.split()[4]) for line in lines]
    top = str(folder.resolve())
    return [point for point in points if point == top or point.startswith(f"{top}/")]


def _unescape(matched: re.Match[str]) -> str:
    return chr(int(matched[1], 8))


def _by_mount_point(layout: DiskLayout) -> list[tuple[int, FileSystem]]:
    """(partition number, file system), "/" before what is mounted below it."""
    if len(layout.disks) != 1:
        raise RehearsalError(f"the image needs {len(layout.disks)} disks; a rehearsal has one")
    found = [
        (partition.number, partition.content)
        for partition in layout.disks[0].partitions
        if isinstance(partition.content, FileSystem)
    ]
    return sorted(found, key=lambda pair: pair[1].mount_point)


def _extent(table: Table, number: int) -> tuple[int, int]:
    """(offset, size) of a partition in bytes."""
    for partition in table.partitions:
        if partition.number == number:
            return partition.start * table.sectorsize, partition.size * table.sectorsize
    there = ", ".join(str(each.number) for each in table.partitions) or "none"
    raise RehearsalError(f"the installed disk has no partition {number} (it has: {there})")


def _mount(
    disk: Path, extent: tuple[int, int], file_system: FileSystem, root: Path, run: Run
) -> MountedFileSystem:
    offset, size = extent
    cut = ["-p", "-O", str(offset), "-S", str(size), "-s", "UUID", "-o", "value"]
    uuid = run(["blkid", *cut, str(disk)]).text.strip()
    options = f"ro,loop,offset={offset},sizelimit={size}"
    if file_system.kind in EXT:
        options += ",noload"
    target = root / file_system.mount_point.lstrip("/")
    if file_system.kind == "vfat":
        copy_fat(disk, offset, file_system, target, run)
        return MountedFileSystem(file_system, uuid)
    run(
        ["mount", "-t", file_system.kind, "-o", options, str(disk), str(target)],
        hint="a comparison needs root and a free loop device",
    )
    return MountedFileSystem(file_system, uuid)
