"""The sync plan: from what was found to steps and reasons, or to every reason against it. Pure.

New files are put in their places first, each by one rename, then further names of them, then
attributes of files that stay, then deletions; folders get their own attributes last, since all of
that changes their times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from blake3 import blake3

from haoscar_pxe.errors import PlanRefusedError
from haoscar_pxe.image.entry import (
    Directory,
    Entry,
    Extent,
    File,
    HardLink,
    Metadata,
    Symlink,
    parents,
    stored_bytes,
)
from haoscar_pxe.image.layout import DiskLayout, FileSystem, file_systems
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.install.sync.journal import (
    Link,
    MakeFolder,
    Mounted,
    Put,
    Remove,
    SetAttributes,
    Step,
)
from haoscar_pxe.install.sync.survey import Finding, Survey

RESERVE_BYTES: Final = 64 << 20
"""Stays free on every file system: the standby goes on running meanwhile."""
BLOCK_BYTES: Final = 4096
GRUB_FOLDERS: Final = (b"boot/grub/i386-pc/", b"boot/grub2/i386-pc/")

Change: TypeAlias = Literal["add", "replace", "attributes", "remove"]


@dataclass(frozen=True, slots=True)
class Room:
    """What is free on the file system mounted at mount_point (relative, b"" for the root)."""

    mount_point: bytes
    free_bytes: int
    free_inodes: int


@dataclass(frozen=True, slots=True)
class Had:
    """What the standby was made from, as far as it decides what a sync may do.

    layout: None if its manifest cannot be read. uses_heads_core: GRUB's core image on its disk is
    the head's own, which loads modules from the tree.
    """

    image: str
    generation: int
    layout: DiskLayout | None
    uses_heads_core: bool


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A file of the standby's own record; it is root's alone. path: relative to the root."""

    path: bytes
    content: bytes

    @property
    def chunk_id(self) -> bytes:
        """Of its content, which is one chunk."""
        return blake3(self.content).digest()

    @property
    def entry(self) -> File:
        """As an entry that can be staged."""
        extent = Extent(0, len(self.content), self.chunk_id)
        return File(self.path, Metadata(0o600, 0, 0, 0), len(self.content), (extent,))


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One line of the plan. is_local: what stands there was changed on this machine."""

    path: bytes
    change: Change
    wanted: Entry | None
    is_local: bool | None


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """All that will be done. staged: by name, the entries whose content is to be made beforehand.

    new_bytes: content to be staged. changes: for people, in the order of paths.
    """

    had_generation: int
    manifest: Manifest
    changes: tuple[PlannedChange, ...]
    staged: dict[bytes, Entry]
    steps: tuple[Step, ...]
    new_bytes: int

    @property
    def is_nothing(self) -> bool:
        """The tree is the generation already."""
        return not self.steps

    def with_own(self, own: Sequence[OwnFile]) -> SyncPlan:
        """The plan with files of the standby's own record, which are put in their places last."""
        names = {b"own-%d" % number: each for number, each in enumerate(own)}
        return replace(
            self,
            staged=self.staged | {name: each.entry for name, each in names.items()},
            steps=(*self.steps, *(Put(each.path, name) for name, each in names.items())),
        )


def plan(
    manifest: Manifest,
    had: Had,
    found: Survey,
    kept: frozenset[bytes],
    rooms: Sequence[Room],
    *,
    hold: str = "",
) -> SyncPlan:
    """Plan the sync. hold: why this machine must not be touched now, "" if it may be.

    Raises PlanRefusedError with every reason.
    """
    changes = tuple(_changes(found.findings))
    staged = {b"%x" % number: entry for number, entry in enumerate(_to_stage(found.findings))}
    reasons = [
        *([hold] if hold else []),
        *_other_machine(manifest, had),
        *_boot_loader(found.findings, had),
        *_in_the_way(found.findings, kept, file_systems(manifest.layout)),
        *_no_room(staged.values(), rooms),
    ]
    if reasons:
        listed = "".join(f"\n    {reason}" for reason in reasons)
        raise PlanRefusedError(
            f"this machine does not become {manifest.image} generation {manifest.generation}; "
            f"nothing was changed:{listed}",
            hint="'haoscar-pxe node set NODE --install' on the image server installs it anew",
        )
    return SyncPlan(
        had_generation=had.generation,
        manifest=manifest,
        changes=changes,
        staged=staged,
        steps=tuple(_steps(found, staged)),
        new_bytes=sum(map(stored_bytes, staged.values())),
    )


def _changes(findings: Iterable[Finding]) -> Iterator[PlannedChange]:
    for each in findings:
        change: Change
        if each.deed in ("remove", "attributes"):
            change = "remove" if each.deed == "remove" else "attributes"
        else:
            change = "replace" if each.was_there else "add"
        yield PlannedChange(each.path, change, each.wanted, each.is_local)


def _to_stage(findings: Iterable[Finding]) -> Iterator[Entry]:
    return (each.wanted for each in findings if each.deed == "put" and each.wanted is not None)


def _steps(found: Survey, staged: Mapping[bytes, Entry]) -> Iterator[Step]:
    names = {entry.path: name for name, entry in staged.items()}
    last: list[Step] = []
    touched: set[bytes] = set()
    for each in found.findings:
        if isinstance(each.wanted, Directory):
            touched.add(each.path)
        if each.deed != "attributes" and each.path:
            touched.add(each.path.rpartition(b"/")[0])
        if each.deed == "folder" and isinstance(each.wanted, Directory):
            yield MakeFolder(each.path, each.wanted.meta)
    for each in found.findings:
        if each.deed == "put":
            yield Put(each.path, names[each.path])
        elif each.deed == "remove":
            last.append(Remove(each.path))
    for each in found.findings:
        if isinstance(each.wanted, HardLink):
            yield Link(each.path, each.wanted.target)
        elif each.deed == "attributes" and each.wanted and not isinstance(each.wanted, Directory):
            is_symlink = isinstance(each.wanted, Symlink)
            yield SetAttributes(each.path, each.wanted.meta, False, is_symlink)
    yield from last
    for path in sorted(touched, reverse=True):
        if folder := found.folders.get(path):
            yield SetAttributes(path, folder.meta, True, False)


def _other_machine(manifest: Manifest, had: Had) -> Iterator[str]:
    if manifest.image != had.image:
        yield f"it was made from the image {had.image}, not {manifest.image}"
    if had.layout is None:
        yield "its own manifest cannot be read, so nobody knows whether its disks fit"
    elif _disks(had.layout) != _disks(manifest.layout):
        yield "the primary's partitions or file systems are others now"


def _disks(layout: DiskLayout) -> list[object]:
    """What of a layout only an installation can change."""
    return [
        (
            disk.table,
            [
                (each.number, each.start_bytes, each.type_code, _content(each.content))
                for each in disk.partitions
            ],
            layout.boot.firmware,
            layout.boot.loader,
        )
        for disk in layout.disks
    ]


def _content(content: object) -> object:
    if isinstance(content, FileSystem):
        return content.kind, content.uuid, content.mount_point
    return content


def _boot_loader(findings: Iterable[Finding], had: Had) -> Iterator[str]:
    """The head's core image fits the modules that it was made with, and those alone."""
    if not had.uses_heads_core:
        return
    for each in findings:
        if each.path.startswith(GRUB_FOLDERS) and each.deed != "attributes":
            yield "GRUB itself was changed on the primary, and its core image is outside the tree"
            return


def _in_the_way(
    findings: Iterable[Finding], kept: frozenset[bytes], mounted: Sequence[FileSystem]
) -> Iterator[str]:
    points = {each.mount_point.strip("/").encode(): "a file system is mounted" for each in mounted}
    for each in findings:
        if isinstance(each.wanted, Directory):
            continue
        for path, why in [*points.items(), *((path, "something is kept") for path in kept)]:
            if path == each.path or each.path in parents(path):
                shown = each.path.decode("utf-8", "replace")
                yield f"/{shown} shall be no folder any more, and in it {why}"


def _no_room(staged: Iterable[Entry], rooms: Sequence[Room]) -> Iterator[str]:
    needs = {room.mount_point: [0, 0] for room in rooms}
    for entry in staged:
        need = needs[place_of(entry.path, needs)]
        need[0] += stored_bytes(entry) + BLOCK_BYTES
        need[1] += 1
    for room in rooms:
        size_bytes, inodes = needs[room.mount_point]
        where = f"/{room.mount_point.decode('utf-8', 'replace')}"
        if size_bytes and size_bytes + RESERVE_BYTES > room.free_bytes:
            yield (
                f"{where} needs {size_bytes / 1e6:.0f} MB and {RESERVE_BYTES / 1e6:.0f} MB to "
                f"spare, and has {room.free_bytes / 1e6:.0f} MB free"
            )
        if inodes > room.free_inodes > 0:
            yield f"{where} needs {inodes} inodes and has {room.free_inodes} free"


def place_of(path: bytes, mount_points: Iterable[bytes]) -> bytes:
    """The mount point that a path lies below, or b"" for the root's.

    >>> place_of(b"boot/vmlinuz", [b"", b"boot"]), place_of(b"boot", [b"", b"boot"])
    (b'boot', b'')
    """
    fits = [point for point in mount_points if not point or path.startswith(point + b"/")]
    return max(fits, key=len, default=b"")


def mount_points(mounted: Iterable[Mounted]) -> list[bytes]:
    """Relative to the root, as paths of entries are."""
    return [each.mount_point.strip("/").encode() for each in mounted]
