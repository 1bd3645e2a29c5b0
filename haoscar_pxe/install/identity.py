"""Apply the declared identity to the tree that was laid down, and change nothing beside it.

Every path is walked name by name from the target with O_NOFOLLOW (openat(2)), so that no symlink
of the image leads a write out of it or to a file that nobody declared. A replaced file keeps the
image's owner, mode and xattrs; its folder keeps its mtime.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from haoscar_pxe.errors import InstallError
from haoscar_pxe.nodes.order import IdentityChange

FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
NEW_FOLDER_MODE: Final = 0o755
HALF_WRITTEN: Final = b".haoscar-pxe.new"
"""Name of a file until it is whole; nothing of that name is left behind."""


class IdentityError(InstallError):
    """A declared change cannot be made where it was declared."""

    def __init__(self, path: bytes, reason: str) -> None:
        super().__init__(
            f"the identity's '/{os.fsdecode(path)}' cannot be written: {reason}",
            hint="'haoscar-pxe boot explain MAC' lists the identity and where each part is from",
        )


def apply(target: Path, changes: Sequence[IdentityChange]) -> list[str]:
    """Make every change below target; one line about each, in words. Raises IdentityError."""
    return [_apply(target, change) for change in changes]


def _apply(target: Path, change: IdentityChange) -> str:
    names = _names(change.path)
    shown = f"/{os.fsdecode(change.path)}"
    try:
        if change.content is None:
            return f"{shown}: {_remove(target, names)} ({change.reason})"
        with _folder(target, names[:-1], create=True) as folder_fd:
            return f"{shown}: {_put(folder_fd, names[-1], change)} ({change.reason})"
    except OSError as error:
        raise IdentityError(change.path, _in_words(error)) from error


def _names(path: bytes) -> list[bytes]:
    names = path.split(b"/")
    if any(name in (b"", b".", b"..") or b"\0" in name for name in names):
        raise IdentityError(path, "it is not a plain path below the root")
    return names


def _in_words(error: OSError) -> str:
    """ELOOP and ENOTDIR are what O_NOFOLLOW answers where a symlink stands."""
    name = os.fsdecode(error.filename) if error.filename else ""
    return f"{error.strerror} {f'at {name!r}' if name else ''}".strip()


@contextmanager
def _folder(target: Path, names: Sequence[bytes], *, create: bool) -> Iterator[int]:
    """The folder's descriptor. Its mtime is put back at the end: only the file is declared."""
    with ExitStack() as opened:
        fd = _closed_by(opened, os.open(target, FOLDER))
        for name in names:
            fd = _closed_by(opened, _descend(fd, name, create=create))
        before = os.fstat(fd)
        yield fd
        os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))


def _closed_by(opened: ExitStack, fd: int) -> int:
    opened.callback(os.close, fd)
    return fd


def _descend(parent_fd: int, name: bytes, *, create: bool) -> int:
    """Open a folder in a folder; make it if it is not there."""
    try:
        return os.open(name, FOLDER, dir_fd=parent_fd)
    except FileNotFoundError:
        if not create:
            raise
    before = os.fstat(parent_fd)
    os.mkdir(name, NEW_FOLDER_MODE, dir_fd=parent_fd)
    os.utime(parent_fd, ns=(before.st_atime_ns, before.st_mtime_ns))
    fd = os.open(name, FOLDER, dir_fd=parent_fd)
    os.fchmod(fd, NEW_FOLDER_MODE)
    return fd


def _put(folder_fd: int, name: bytes, change: IdentityChange) -> str:
    """Write the file beside the old one and rename it over: a hard link elsewhere keeps its own."""
    old = _lstat(folder_fd, name)
    if old is not None and stat.S_ISDIR(old.st_mode):
        raise IsADirectoryError(0, "there is a folder of that name")
    with _removed_on_failure(folder_fd, HALF_WRITTEN):
        fd = os.open(HALF_WRITTEN, NEW_FILE, 0o600, dir_fd=folder_fd)
        with os.fdopen(fd, "wb") as file:
            file.write(change.content or b"")
            file.flush()
            if old is not None and stat.S_ISREG(old.st_mode):
                _keep_metadata(folder_fd, name, old, fd)
            else:
                os.fchown(fd, 0, 0)
                os.fchmod(fd, change.mode)
        os.rename(HALF_WRITTEN, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
    return "replaced" if old is not None else "added"


def _keep_metadata(folder_fd: int, name: bytes, old: os.stat_result, fd: int) -> None:
    os.fchown(fd, old.st_uid, old.st_gid)
    os.fchmod(fd, stat.S_IMODE(old.st_mode))
    old_fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder_fd)
    try:
        for attribute in os.listxattr(old_fd):
            os.setxattr(fd, attribute, os.getxattr(old_fd, attribute))
    finally:
        os.close(old_fd)


@contextmanager
def _removed_on_failure(folder_fd: int, name: bytes) -> Iterator[None]:
    try:
        yield
    except OSError:
        if _lstat(folder_fd, name) is not None:
            os.unlink(name, dir_fd=folder_fd)
        raise


def _remove(target: Path, names: Sequence[bytes]) -> str:
    try:
        with _folder(target, names[:-1], create=False) as folder_fd:
            os.unlink(names[-1], dir_fd=folder_fd)
    except FileNotFoundError:
        return "was not there"
    return "removed"


def _lstat(folder_fd: int, name: bytes) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None
