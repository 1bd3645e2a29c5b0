"""Reads a whole tree back and names every difference from a generation.

Content is compared by hashing what lies in the tree against the chunk ids of the entries, so the
repository's packs are not needed for it, but for sealed files: these are opened and compared, or
named as closed. The tree is only read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct

from haoscar_pxe.errors import ComparisonError, SealedError
from haoscar_pxe.image.attributes import names_of_xattrs
from haoscar_pxe.image.content import filled_hole, wrong_content, wrong_secret
from haoscar_pxe.image.entry import (
    AnyFile,
    Device,
    Directory,
    Entry,
    Fifo,
    File,
    HardLink,
    Metadata,
    SealedFile,
    Socket,
    Symlink,
    parents,
    sort_key,
    stored_bytes,
)
from haoscar_pxe.image.folders import open_root
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.reader import ChunkReader, extents
from haoscar_pxe.image.sealing import sealed_error
from haoscar_pxe.image.walk import Standing, Walk

Aspect: TypeAlias = Literal[
    "missing",
    "extra",
    "type",
    "content",
    "holes",
    "mode",
    "owner",
    "mtime",
    "xattrs",
    "target",
    "device",
    "links",
    "sealed",
    "closed",
]
"""sealed: a file is a secret on one side only. closed: its content cannot be told without a key."""

LOST_AND_FOUND = b"lost+found"
_TYPES: dict[int, type[Struct]] = {
    stat.S_IFDIR: Directory,
    stat.S_IFREG: File,
    stat.S_IFLNK: Symlink,
    stat.S_IFBLK: Device,
    stat.S_IFCHR: Device,
    stat.S_IFIFO: Fifo,
    stat.S_IFSOCK: Socket,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as the generation says; expected and found are for people.

    For a folder that is missing, extra or of another type nothing below it is named.
    """

    path: bytes
    aspect: Aspect
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.path!r}: {self.aspect}: expected {self.expected}, found {self.found}"


def compare(
    entries: Iterable[Entry],
    target: Path,
    progress: Progress,
    *,
    boxes: ChunkReader | None = None,
    ignored: frozenset[bytes] = frozenset(),
    one_file_system: bool = False,
) -> list[Difference]:
    """Every difference between entries (in order) and the folder target, in path order.

    boxes: reads and opens the chunks of sealed files; where it cannot, "closed" is a difference.
    ignored: paths left out on both sides, with all below them. one_file_system: what is mounted
    below target is left out, and so are the entries below its mount points.
    An empty lost+found that the entries do not have is no difference: mke2fs makes it.
    Raises ComparisonError when the tree cannot be walked, and what reading entries raises.
    """
    try:
        root_fd = open_root(target)
    except OSError as error:
        raise ComparisonError(f"cannot read {target}: {error.strerror}") from error
    walk = Walk(root_fd)
    try:
        comparison = _Comparison(
            walk, progress, boxes, ignored, one_file_system, os.fstat(root_fd).st_dev
        )
        return list(comparison.differences(entries))
    except OSError as error:
        raise ComparisonError(f"cannot read {target}: {error}") from error
    finally:
        walk.close()
        os.close(root_fd)


@dataclass(slots=True)
class _Comparison:
    """Entries and a walk, merged by path. left_out: the folder whose entries are passed over."""

    walk: Walk
    progress: Progress
    boxes: ChunkReader | None
    ignored: frozenset[bytes]
    one_file_system: bool
    root_device: int
    left_out: bytes | None = None
    first_names: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def differences(self, entries: Iterable[Entry]) -> Iterator[Difference]:
        here = self._next()
        for entry in entries:
            if self._is_left_out(entry.path):
                continue
            while here is not None and sort_key(here.path) < sort_key(entry.path):
                yield from self._extra(here)
                here = self._next()
            if here is None or here.path != entry.path:
                yield Difference(entry.path, "missing", _kind(entry), "nothing")
                self.left_out = entry.path
                continue
            yield from self._compare(entry, here)
            self.progress.advance(stored_bytes(entry))
            here = self._next()
        while here is not None:
            yield from self._extra(here)
            here = self._next()

    def _next(self) -> Standing | None:
        while (here := self.walk.next()) is not None and here.path in self.ignored:
            self.walk.stay_out()
        return here

    def _is_left_out(self, path: bytes) -> bool:
        if self.left_out is not None and path.startswith(self.left_out + b"/"):
            return True
        self.left_out = None
        return path in self.ignored or any(above in self.ignored for above in parents(path))

    def _extra(self, here: Standing) -> Iterator[Difference]:
        self.walk.stay_out()
        if not (here.name == LOST_AND_FOUND and _is_empty_folder(here)):
            yield Difference(here.path, "extra", "nothing", _type(here).__name__)

    def _compare(self, entry: Entry, here: Standing) -> Iterator[Difference]:
        if not _same_type(entry, here):
            yield Difference(entry.path, "type", _kind(entry), _type(here).__name__)
            self._leave_out(entry.path)
            return
        is_mount = here.status.st_dev != self.root_device
        if self.one_file_system and is_mount and here.is_folder:
            self._leave_out(entry.path)
            return
        yield from self._links(entry, here)
        if not isinstance(entry, HardLink):
            yield from _metadata(entry.path, entry.meta, here, isinstance(entry, Symlink))
            yield from self._specifics(entry, here)

    def _specifics(self, entry: Entry, here: Standing) -> Iterator[Difference]:
        """What only one type of entry has."""
        if isinstance(entry, AnyFile):
            yield from _content(entry, here, self.boxes)
        elif isinstance(entry, Symlink):
            target = os.readlink(here.name, dir_fd=here.folder_fd)
            if target != entry.target:
                yield Difference(entry.path, "target", repr(entry.target), repr(target))
        elif isinstance(entry, Device):
            found = _device(stat.S_ISBLK(here.status.st_mode), here.status.st_rdev)
            expected = _device(entry.is_block, os.makedev(entry.major, entry.minor))
            if found != expected:
                yield Difference(entry.path, "device", expected, found)

    def _leave_out(self, path: bytes) -> None:
        self.left_out = path
        self.walk.stay_out()

    def _links(self, entry: Entry, here: Standing) -> Iterator[Difference]:
        """Names of one file in the tree must be names of one file in the entries, and only they."""
        expected = entry.target if isinstance(entry, HardLink) else entry.path
        found = entry.path
        if here.status.st_nlink > 1 and not here.is_folder:
            identity = (here.status.st_dev, here.status.st_ino)
            found = self.first_names.setdefault(identity, entry.path)
        if found != expected:
            shown = ["itself" if name == entry.path else repr(name) for name in (expected, found)]
            yield Difference(entry.path, "links", shown[0], shown[1])


def _metadata(
    path: bytes, meta: Metadata, here: Standing, is_symlink: bool
) -> Iterator[Difference]:
    status = here.status
    mode = stat.S_IMODE(status.st_mode)
    if mode != meta.mode and not is_symlink:
        yield Difference(path, "mode", f"{meta.mode:04o}", f"{mode:04o}")
    if (status.st_uid, status.st_gid) != (meta.uid, meta.gid):
        found = f"{status.st_uid}:{status.st_gid}"
        yield Difference(path, "owner", f"{meta.uid}:{meta.gid}", found)
    if status.st_mtime_ns != meta.mtime_ns:
        yield Difference(path, "mtime", f"{meta.mtime_ns} ns", f"{status.st_mtime_ns} ns")
    xattrs = _xattrs(here)
    if xattrs != meta.xattrs:
        yield Difference(path, "xattrs", repr(meta.xattrs), repr(xattrs))


def _content(entry: AnyFile, here: Standing, boxes: ChunkReader | None) -> Iterator[Difference]:
    expected = f"{entry.size_bytes} bytes as captured"
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(here.name, flags, dir_fd=here.folder_fd)
    except OSError as error:
        yield Difference(entry.path, "content", expected, f"unreadable: {error.strerror}")
        return
    try:
        if wrong := _wrong(fd, entry, boxes):
            yield Difference(entry.path, "content", expected, wrong)
        elif filled := filled_hole(fd, entry):
            yield Difference(entry.path, "holes", "a hole", filled)
    except SealedError as error:
        sealed = f"{entry.size_bytes} bytes, sealed"
        yield Difference(entry.path, "closed", sealed, f"not compared: {error}")
    except OSError as error:
        yield Difference(entry.path, "content", expected, f"unreadable: {error.strerror}")
    finally:
        os.close(fd)


def _wrong(fd: int, entry: AnyFile, boxes: ChunkReader | None) -> str:
    if isinstance(entry, File):
        return wrong_content(fd, entry)
    if boxes is None:
        raise sealed_error(entry.path, entry.key_id)
    return wrong_secret(fd, entry, extents(entry, boxes))


def _xattrs(here: Standing) -> tuple[tuple[bytes, bytes], ...]:
    names = sorted(map(os.fsencode, names_of_xattrs(here.proc_path)))
    return tuple((name, os.getxattr(here.proc_path, name, follow_symlinks=False)) for name in names)


def _device(is_block: bool, number: int) -> str:
    return f"{'block' if is_block else 'character'} {os.major(number)}:{os.minor(number)}"


def _same_type(entry: Entry, here: Standing) -> bool:
    match entry:
        case HardLink():
            return not here.is_folder
        case SealedFile():
            return _type(here) is File
        case _:
            return isinstance(entry, _type(here))


def _type(here: Standing) -> type[Struct]:
    return _TYPES[stat.S_IFMT(here.status.st_mode)]


def _kind(entry: Entry) -> str:
    return "File" if isinstance(entry, SealedFile) else type(entry).__name__


def _is_empty_folder(here: Standing) -> bool:
    return here.is_folder and not os.listdir(here.proc_path)
