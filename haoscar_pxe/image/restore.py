"""Lays entries down as a tree: what the installer does to a disk, and `image restore` to a folder.

Everything an entry says is put down or the restore fails: there is no half-faithful mode. Owners
and devices therefore need root. Nothing is walked through a symlink, and nothing that is there
already is replaced. openat(2), fchownat(2), xattr(7).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import assert_never

from haoscar_pxe.errors import RestoreError
from haoscar_pxe.image import attributes
from haoscar_pxe.image.durable import free_space
from haoscar_pxe.image.entry import (
    AnyFile,
    Device,
    Directory,
    Entry,
    Fifo,
    File,
    HardLink,
    SealedFile,
    Socket,
    Symlink,
    parents,
)
from haoscar_pxe.image.folders import (
    FOLDER_FLAGS,
    FolderChain,
    OpenFolder,
    open_below,
    open_root,
)
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.read_ahead import ReadAhead
from haoscar_pxe.image.reader import ChunkReader

LOST_AND_FOUND = b"lost+found"
FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def restore(
    entries: Iterable[Entry],
    chunks: ChunkReader,
    target: Path,
    progress: Progress,
    *,
    allow_existing: frozenset[bytes] = frozenset(),
) -> None:
    """Lay entries (in order, checked, as `reader.entries` gives them) down in the folder target.

    target is made if it is missing and must be empty, except for lost+found and the folders of
    allow_existing (mount points, relative as in entries; what leads to them may exist too).
    Ends with everything durable on every file system it touched.
    Raises RestoreError, and what reading chunks raises.
    """
    allowed = allow_existing.union(*map(parents, allow_existing), {b""})
    try:
        target.mkdir(exist_ok=True)
        root_fd = open_root(target)
    except OSError as error:
        raise RestoreError(f"cannot restore into {target}: {error.strerror}") from error
    try:
        _refuse_content(root_fd, target, allowed)
        with ReadAhead(entries, chunks) as ahead:
            _Restorer(root_fd, ahead, target, progress, allowed).lay_all()
    finally:
        os.close(root_fd)


class _Restorer:
    """One restore: the folders that are open and where bytes come from."""

    def __init__(
        self,
        root_fd: int,
        ahead: ReadAhead,
        target: Path,
        progress: Progress,
        allowed: frozenset[bytes],
    ) -> None:
        self._root_fd = root_fd
        self._ahead = ahead
        self._target = target
        self._progress = progress
        self._allowed = allowed
        self._folders = FolderChain(self._leave)
        self._unfinished: list[tuple[Directory, bool]] = []

    def lay_all(self) -> None:
        path = b""
        try:
            for entry in self._ahead.entries():
                path = entry.path
                self._lay(entry)
                self._progress.advance(0)
            self._folders.leave_all()
        except OSError as error:
            raise self._failed(path, error) from error
        finally:
            self._folders.close()

    def _lay(self, entry: Entry) -> None:
        if not entry.path:
            assert isinstance(entry, Directory)
            self._enter(entry, self._root_fd, existed=True)
            return
        parent, _, name = entry.path.rpartition(b"/")
        folder_fd = self._folders.go_to(parent)
        match entry:
            case Directory():
                self._lay_folder(entry, folder_fd, name)
            case File() | SealedFile():
                self._lay_file(entry, folder_fd, name)
            case HardLink():
                self._lay_link(entry, folder_fd, name)
            case Symlink() | Device() | Fifo() | Socket():
                _lay_special(entry, folder_fd, name)
            case _:
                assert_never(entry)

    def _enter(self, entry: Directory, fd: int, *, existed: bool) -> None:
        self._folders.enter(entry.path, fd)
        self._unfinished.append((entry, existed))
        if existed:
            attributes.clear_inherited(fd)

    def _lay_folder(self, entry: Directory, folder_fd: int, name: bytes) -> None:
        existed = False
        try:
            os.mkdir(name, 0o700, dir_fd=folder_fd)
        except FileExistsError:
            if entry.path not in self._allowed and name != LOST_AND_FOUND:
                raise
            existed = True
        self._enter(entry, os.open(name, FOLDER_FLAGS, dir_fd=folder_fd), existed=existed)

    def _lay_file(self, entry: AnyFile, folder_fd: int, name: bytes) -> None:
        fd = os.open(name, FILE_FLAGS, 0o600, dir_fd=folder_fd)
        try:
            end = 0
            for offset, data in self._ahead.content(entry):
                _write_at(fd, data, offset)
                end = offset + len(data)
                self._progress.advance(len(data), 0)
            if end != entry.size_bytes:
                os.ftruncate(fd, entry.size_bytes)
            attributes.put_on_descriptor(fd, entry.meta)
        finally:
            os.close(fd)

    def _lay_link(self, entry: HardLink, folder_fd: int, name: bytes) -> None:
        parent, _, target = entry.target.rpartition(b"/")
        parent_fd = open_below(self._root_fd, parent)
        try:
            os.link(
                target,
                name,
                src_dir_fd=parent_fd,
                dst_dir_fd=folder_fd,
                follow_symlinks=False,
            )
        finally:
            os.close(parent_fd)

    def _leave(self, folder: OpenFolder) -> None:
        """Give a folder its own attributes, now that nothing more is put into it."""
        entry, existed = self._unfinished.pop()
        try:
            if existed:
                attributes.remove_other_xattrs(folder.fd, entry.meta)
            attributes.put_on_descriptor(folder.fd, entry.meta)
            if existed:  # the root, or a mount point: the end of a file system
                attributes.sync_file_system(folder.fd)
        except OSError as error:
            raise self._failed(entry.path, error) from error

    def _failed(self, path: bytes, error: OSError) -> RestoreError:
        where = f"{self._target}/{os.fsdecode(path)!r}"
        hint = ""
        if error.errno == errno.EPERM and os.geteuid() != 0:
            hint = "owners, devices and some xattrs can only be restored by root"
        elif error.errno == errno.ENOTSUP:
            hint = "the file system there cannot hold these xattrs; ext4, xfs and btrfs can"
        return RestoreError(
            f"cannot restore {where}: {error.strerror} ({free_space(self._target)})", hint=hint
        )


def _lay_special(entry: Symlink | Device | Fifo | Socket, folder_fd: int, name: bytes) -> None:
    match entry:
        case Symlink():
            os.symlink(entry.target, name, dir_fd=folder_fd)
        case Device():
            kind = stat.S_IFBLK if entry.is_block else stat.S_IFCHR
            device = os.makedev(entry.major, entry.minor)
            os.mknod(name, 0o600 | kind, device, dir_fd=folder_fd)
        case Fifo():
            os.mkfifo(name, 0o600, dir_fd=folder_fd)
        case Socket():
            os.mknod(name, 0o600 | stat.S_IFSOCK, dir_fd=folder_fd)
        case _:
            assert_never(entry)
    attributes.put_on_name(folder_fd, name, entry.meta, is_symlink=isinstance(entry, Symlink))


def _write_at(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def _refuse_content(root_fd: int, target: Path, allowed: frozenset[bytes]) -> None:
    """Raise RestoreError if the target holds anything but allowed folders."""
    try:
        found = sorted(_strangers(root_fd, b"", allowed))
    except OSError as error:
        raise RestoreError(f"cannot look into {target}: {error.strerror}") from error
    if found:
        raise RestoreError(
            f"{target} is not empty: it holds {os.fsdecode(found[0])!r}"
            + (f" and {len(found) - 1} more" if len(found) > 1 else ""),
            hint="restore into a new or empty folder",
        )


def _strangers(folder_fd: int, path: bytes, allowed: frozenset[bytes]) -> Iterator[bytes]:
    for name in map(os.fsencode, os.listdir(folder_fd)):
        below = path + b"/" + name if path else name
        if below not in allowed:
            if name != LOST_AND_FOUND:
                yield below
            continue
        try:
            fd = os.open(name, FOLDER_FLAGS, dir_fd=folder_fd)
        except OSError:
            yield below
            continue
        try:
            yield from _strangers(fd, below, allowed)
        finally:
            os.close(fd)
