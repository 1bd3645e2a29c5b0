"""Lays entries down as a tree: what the installer does to a disk, and `image restore` to a folder.

Everything an entry says is put down or the restore fails: there is no half-faithful mode. Owners
and devices therefore need root. Nothing is walked through a symlink, and nothing that is there
already is replaced. openat(2), fchownat(2), xattr(7).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import assert_never

from haoscar_pxe.errors import RestoreError
from haoscar_pxe.image import attributes
from haoscar_pxe.image.durable import free_space
from haoscar_pxe.image.entry import (
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
from haoscar_pxe.image.file_makers import FileFailedError, FileMakers
from haoscar_pxe.image.filling import Filling, FillingByMakers, FillingHere
from haoscar_pxe.image.folders import (
    FOLDER_FLAGS,
    FolderChain,
    OpenFolder,
    open_below,
    open_root,
)
from haoscar_pxe.image.laying import lay_special
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.read_ahead import ReadAhead
from haoscar_pxe.image.reader import ChunkReader

LOST_AND_FOUND = b"lost+found"


def restore(
    entries: Iterable[Entry],
    chunks: ChunkReader,
    target: Path,
    progress: Progress,
    *,
    allow_existing: frozenset[bytes] = frozenset(),
    makers: int = 0,
) -> None:
    """Lay entries (in order, checked, as `reader.entries` gives them) down in the folder target.

    target is made if it is missing and must be empty, except for lost+found and the folders of
    allow_existing (mount points, relative as in entries; what leads to them may exist too).
    makers: so many processes make the files; the store must bear several readers at once then.
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
        filling: Filling
        if makers:
            with FileMakers(makers, chunks) as pool:
                filling = FillingByMakers(entries, pool, progress)
                _Restorer(root_fd, filling, target, progress, allowed).lay_all()
        else:
            with ReadAhead(entries, chunks) as ahead:
                filling = FillingHere(ahead, progress)
                _Restorer(root_fd, filling, target, progress, allowed).lay_all()
    finally:
        os.close(root_fd)


class _Restorer:
    """One restore: the folders that are open and how files get into them."""

    def __init__(
        self,
        root_fd: int,
        filling: Filling,
        target: Path,
        progress: Progress,
        allowed: frozenset[bytes],
    ) -> None:
        self._root_fd = root_fd
        self._filling = filling
        self._target = target
        self._progress = progress
        self._allowed = allowed
        self._folders = FolderChain(self._leave)
        self._unfinished: list[tuple[Directory, bool]] = []

    def lay_all(self) -> None:
        path = b""
        try:
            for entry in self._filling.entries():
                path = entry.path
                self._lay(entry)
                self._progress.advance(0)
            self._folders.leave_all()
            self._filling.finish()
        except FileFailedError as failed:
            raise self._failed(failed.path, failed.error) from failed
        except OSError as error:
            raise self._failed(path, error) from error
        finally:
            self._folders.close()
            self._filling.close()

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
                self._filling.lay(entry, folder_fd, name)
            case HardLink():
                self._filling.when_made(entry.path, folder_fd, partial(self._lay_link, entry))
            case Symlink() | Device() | Fifo() | Socket():
                lay_special(entry, folder_fd, name)
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

    def _lay_link(self, entry: HardLink, folder_fd: int) -> None:
        parent, _, target = entry.target.rpartition(b"/")
        parent_fd = open_below(self._root_fd, parent)
        try:
            os.link(
                target,
                entry.path.rpartition(b"/")[2],
                src_dir_fd=parent_fd,
                dst_dir_fd=folder_fd,
                follow_symlinks=False,
            )
        finally:
            os.close(parent_fd)

    def _leave(self, folder: OpenFolder) -> None:
        """Give a folder its own attributes, once nothing more is put into it."""
        entry, existed = self._unfinished.pop()
        self._filling.when_made(entry.path, folder.fd, partial(_finish_folder, entry, existed))

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


def _finish_folder(entry: Directory, existed: bool, fd: int) -> None:
    if existed:
        attributes.remove_other_xattrs(fd, entry.meta)
    attributes.put_on_descriptor(fd, entry.meta)
    if existed:  # the root, or a mount point: the end of a file system
        attributes.sync_file_system(fd)


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
