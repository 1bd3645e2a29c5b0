"""Compares a tree as it stands with what it shall be: every path at which something is to be done.

Reading all content would cost as much as an installation, so a file is taken to be what it was if
its size and times say so and its ctime is no later than the moment at which the whole tree was
known to be its generation: no program can set a ctime (inode(7)). Anything else is hashed.
The tree is only read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

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
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.reader import ChunkReader, extents
from haoscar_pxe.image.sealing import sealed_error
from haoscar_pxe.image.walk import Standing, Walk

Deed: TypeAlias = Literal["put", "link", "folder", "attributes", "remove"]
"""What makes the path as wanted: a new file put in its place, another name of a file, a folder
made, owner, mode, times and xattrs set, or the path and all below it removed."""

LOST_AND_FOUND: Final = b"lost+found"
_TYPES: Final = {
    Directory: stat.S_IFDIR,
    File: stat.S_IFREG,
    SealedFile: stat.S_IFREG,
    Symlink: stat.S_IFLNK,
    Fifo: stat.S_IFIFO,
    Socket: stat.S_IFSOCK,
}
OPEN_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Finding:
    """One path that is not as wanted.

    wanted: None where nothing shall be. was_there: whether something stands at the path.
    is_local: what stands there is not what the standby's own generation has, so it was changed
    on this machine; None where that is not known.
    """

    path: bytes
    deed: Deed
    wanted: Entry | None
    was_there: bool
    is_local: bool | None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the tree beforehand.

    had: entries of the generation that it was made from, in order, under its identity; empty if
    they are not to be had. since_ns: the tree was these entries at this moment (CLOCK_REALTIME).
    kept: paths that are left alone on both sides, with all below them. free_times: paths whose
    mtime may be any. boxes: gives what opens sealed files, where one must be compared.
    """

    had: Iterable[Entry] = ()
    since_ns: int = -1
    kept: frozenset[bytes] = frozenset()
    free_times: frozenset[bytes] = frozenset()
    boxes: Callable[[], ChunkReader] | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """What is to be done, in the order of paths, and the folders that shall be."""

    findings: tuple[Finding, ...]
    folders: dict[bytes, Directory]
    entry_count: int


def survey(root_fd: int, wanted: Iterable[Entry], known: Known, progress: Progress) -> Survey:
    """Compare the tree with the wanted entries (in order). Raises OSError, IntegrityError,
    SealedError where a secret must be compared and no key opens it."""
    walk = Walk(root_fd)
    try:
        merging = _Merge(walk, known, progress)
        findings = tuple(merging.findings(wanted))
        return Survey(findings, merging.folders, merging.entry_count)
    finally:
        walk.close()


@dataclass(slots=True)
class _Merge:
    """Wanted entries, entries it had, and a walk, merged by path."""

    walk: Walk
    known: Known
    progress: Progress
    folders: dict[bytes, Directory] = field(default_factory=dict)
    entry_count: int = 0
    _had: Iterator[Entry] = field(init=False)
    _had_next: Entry | None = field(init=False)
    _inodes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    _put: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._had = iter(self.known.had)
        self._had_next = next(self._had, None)

    def findings(self, wanted: Iterable[Entry]) -> Iterator[Finding]:
        here = self._next()
        for entry in wanted:
            if self._is_kept(entry.path):
                continue
            self.entry_count += 1
            if isinstance(entry, Directory):
                self.folders[entry.path] = entry
            while here is not None and sort_key(here.path) < sort_key(entry.path):
                yield from self._extra(here)
                here = self._next()
            had = self._had_at(entry.path)
            if here is None or here.path != entry.path:
                yield self._missing(entry, had)
                continue
            yield from self._compare(entry, had, here)
            self.progress.advance(stored_bytes(entry))
            here = self._next()
        while here is not None:
            yield from self._extra(here)
            here = self._next()

    def _next(self) -> Standing | None:
        while (here := self.walk.next()) is not None and here.path in self.known.kept:
            self.walk.stay_out()
        return here

    def _is_kept(self, path: bytes) -> bool:
        kept = self.known.kept
        return bool(kept) and (path in kept or any(above in kept for above in parents(path)))

    def _had_at(self, path: bytes) -> Entry | None:
        key = sort_key(path)
        while self._had_next is not None and sort_key(self._had_next.path) < key:
            self._had_next = next(self._had, None)
        found = self._had_next
        return found if found is not None and found.path == path else None

    def _extra(self, here: Standing) -> Iterator[Finding]:
        """What shall not be there; a folder that holds something kept stays, less the rest."""
        if here.is_folder and any(k.startswith(here.path + b"/") for k in self.known.kept):
            return
        self.walk.stay_out()
        if here.name == LOST_AND_FOUND and here.is_folder and not os.listdir(here.proc_path):
            return
        had = self._had_at(here.path)
        is_local = self._is_local(had, here)
        yield Finding(here.path, "remove", None, True, is_local)

    def _is_local(self, had: Entry | None, here: Standing) -> bool | None:
        if self.known.since_ns < 0:
            return None
        return had is None or not _is_as_noted(had, here, here.path in self.known.free_times)

    def _missing(self, entry: Entry, had: Entry | None) -> Finding:
        self._put.add(entry.path)
        is_local = had is not None if self.known.since_ns >= 0 else None
        return Finding(entry.path, _deed_for_new(entry), entry, False, is_local)

    def _compare(self, entry: Entry, had: Entry | None, here: Standing) -> Iterator[Finding]:
        deed = self._deed(entry, had, here)
        if deed is None:
            return
        if deed in ("put", "link", "folder"):
            self._put.add(entry.path)
            if here.is_folder and not isinstance(entry, Directory):
                self.walk.stay_out()
        yield Finding(entry.path, deed, entry, True, self._is_local(had, here))

    def _deed(self, entry: Entry, had: Entry | None, here: Standing) -> Deed | None:
        if isinstance(entry, HardLink):
            return None if self._is_link(entry, here) else "link"
        if not _is_same_type(entry, here):
            return _deed_for_new(entry)
        if not here.is_folder and not self._is_first_name(entry.path, here):
            return "put"
        free_time = entry.path in self.known.free_times
        if had == entry and self._is_untouched(entry, here):
            return None
        if not self._is_same_content(entry, had, here):
            return "put"
        return None if _has_attributes(entry.meta, here, free_time) else "attributes"

    def _is_link(self, entry: HardLink, here: Standing) -> bool:
        """Whether the path is a name of the very file that it shall be a name of."""
        inode = (here.status.st_dev, here.status.st_ino)
        return entry.target not in self._put and self._inodes.get(inode) == entry.target

    def _is_first_name(self, path: bytes, here: Standing) -> bool:
        """False where the file has another name that shall be a file of its own."""
        if here.status.st_nlink == 1:
            return True
        inode = (here.status.st_dev, here.status.st_ino)
        return self._inodes.setdefault(inode, path) == path

    def _is_untouched(self, entry: Entry, here: Standing) -> bool:
        """Nothing about it, xattrs and content included, changed since the tree was known."""
        if here.status.st_ctime_ns > self.known.since_ns:
            return False
        return _is_as_noted(entry, here)

    def _is_same_content(self, entry: Entry, had: Entry | None, here: Standing) -> bool:
        match entry:
            case File() | SealedFile():
                if here.status.st_size != entry.size_bytes:
                    return False
                is_had = isinstance(had, AnyFile) and had.extents == entry.extents
                if is_had and had is not None and self._is_untouched(had, here):
                    return True
                return _holds(entry, here, self.known.boxes)
            case Symlink():
                return os.readlink(here.name, dir_fd=here.folder_fd) == entry.target
            case Device():
                return here.status.st_rdev == os.makedev(entry.major, entry.minor)
            case _:
                return True


def _deed_for_new(entry: Entry) -> Deed:
    if isinstance(entry, Directory):
        return "folder"
    return "link" if isinstance(entry, HardLink) else "put"


def _is_same_type(entry: Entry, here: Standing) -> bool:
    kind = stat.S_IFMT(here.status.st_mode)
    if isinstance(entry, Device):
        return kind == (stat.S_IFBLK if entry.is_block else stat.S_IFCHR)
    return kind == _TYPES.get(type(entry))


def _is_as_noted(entry: Entry, here: Standing, free_time: bool = False) -> bool:
    """Type, owner, mode, mtime and size, as lstat(2) tells them."""
    if isinstance(entry, HardLink):
        return not here.is_folder
    status, meta = here.status, entry.meta
    return (
        _is_same_type(entry, here)
        and (free_time or status.st_mtime_ns == meta.mtime_ns)
        and (status.st_uid, status.st_gid) == (meta.uid, meta.gid)
        and (isinstance(entry, Symlink) or stat.S_IMODE(status.st_mode) == meta.mode)
        and (not isinstance(entry, AnyFile) or status.st_size == entry.size_bytes)
    )


def _has_attributes(meta: Metadata, here: Standing, free_time: bool) -> bool:
    status = here.status
    is_symlink = stat.S_ISLNK(status.st_mode)
    return (
        (status.st_uid, status.st_gid) == (meta.uid, meta.gid)
        and (is_symlink or stat.S_IMODE(status.st_mode) == meta.mode)
        and (free_time or status.st_mtime_ns == meta.mtime_ns)
        and _xattrs(here) == meta.xattrs
    )


def _xattrs(here: Standing) -> tuple[tuple[bytes, bytes], ...]:
    names = sorted(map(os.fsencode, names_of_xattrs(here.proc_path)))
    return tuple((name, os.getxattr(here.proc_path, name, follow_symlinks=False)) for name in names)


def _holds(entry: AnyFile, here: Standing, boxes: Callable[[], ChunkReader] | None) -> bool:
    """Whether the file has the entry's bytes and holes, by reading all of it."""
    try:
        fd = os.open(here.name, OPEN_FLAGS, dir_fd=here.folder_fd)
    except FileNotFoundError:  # gone while the walk goes on
        return False
    try:
        if isinstance(entry, File):
            wrong = wrong_content(fd, entry)
        elif boxes is None:
            raise sealed_error(entry.path, entry.key_id)
        else:
            wrong = wrong_secret(fd, entry, extents(entry, boxes()))
        return not wrong and not filled_hole(fd, entry)
    finally:
        os.close(fd)
