"""The disk of a machine that is off, as the tree its system would see: mounted, read-only.

Each partition becomes a loop device of its own, cut out by offset and size (loop partitions need
a kernel that scans them; not all do). Nothing on the disk changes: the loop devices are read-only
and ext4 is mounted without replaying its journal.

Sources: sfdisk(8) --json, losetup(8), ext4(5) `noload`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from haoscar_pxe.command import Run, run
from haoscar_pxe.errors import RehearsalError
from haoscar_pxe.image.layout import DiskLayout, FileSystem

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
    with ExitStack() as stack:
        found = []
        for number, file_system in _by_mount_point(layout):
            loop = stack.enter_context(_attached(disk, table, number, run))
            stack.enter_context(_mounted_at(loop, file_system, root, run))
            uuid = run(["blkid", "-p", "-s", "UUID", "-o", "value", loop]).text.strip()
            found.append(MountedFileSystem(file_system, uuid))
        yield MountedDisk(root, tuple(found))


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


@contextmanager
def _attached(disk: Path, table: Table, number: int, run: Run) -> Iterator[str]:
    partition = next((each for each in table.partitions if each.number == number), None)
    if partition is None:
        there = ", ".join(str(each.number) for each in table.partitions) or "none"
        raise RehearsalError(f"the installed disk has no partition {number} (it has: {there})")
    loop = run(
        [
            *("losetup", "--find", "--show", "--read-only"),
            *("--offset", str(partition.start * table.sectorsize)),
            *("--sizelimit", str(partition.size * table.sectorsize), str(disk)),
        ],
        hint="a comparison needs root and a free loop device",
    ).text.strip()
    try:
        yield loop
    finally:
        run(["losetup", "--detach", loop])


@contextmanager
def _mounted_at(loop: str, file_system: FileSystem, root: Path, run: Run) -> Iterator[None]:
    options = "ro,noload" if file_system.kind in EXT else "ro"
    target = root / file_system.mount_point.lstrip("/")
    run(["mount", "-t", file_system.kind, "-o", options, loop, str(target)])
    try:
        yield
    finally:
        run(["umount", str(target)])
