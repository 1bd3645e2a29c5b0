"""The walk: every name of the tree once, in the order of `sort_key`, while the tree is in use.

It works with folder descriptors and single names, so paths may be longer than PATH_MAX and no
symbolic link is ever followed, and it holds at most OPEN_FOLDERS_MAX descriptors however deep the
tree is. Names that vanish meanwhile are recorded and passed over. It reads no file's content.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from haoscar_pxe.capture.scope.scope import Scope, Treatment

OPEN_FOLDERS_MAX: Final = 64
LISTINGS_MAX: Final = 4
"""How often a folder is listed anew because it changed while it was listed: readdir(3) may miss a
name that is renamed meanwhile."""

BTRFS_SUBVOLUME_INO: Final = 256
"""BTRFS_FIRST_FREE_OBJECTID, linux/btrfs_tree.h: the root of every sub-volume, which has an st_dev
of its own without being a mount point."""

_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

GONE: Final = (FileNotFoundError, NotADirectoryError)


class Visit(NamedTuple):
    """One name of the tree. A tuple, because a capture makes one for each name and more than once.

    folder_fd: an open descriptor of its parent, valid until the walk goes on. name: in there
    ("." for the root). status: of the name itself, None where the file system that lies there
    must not be asked. treatment: ENTER or, for folders, EMPTY or UNTOUCHED.
    """

    path: bytes
    folder_fd: int
    name: bytes
    status: os.stat_result | None
    treatment: Treatment

    @property
    def is_folder(self) -> bool:
        """Whether it is kept as a folder."""
        return self.status is None or stat.S_ISDIR(self.status.st_mode)


@dataclass(slots=True)
class Losses:
    """What a walk could not show.

    vanished: names that went away. mounted_meanwhile: folders on which something was mounted after
    the mount table was read. unreadable: folders that could not be listed, with the reason.
    """

    vanished: list[bytes] = field(default_factory=list)
    mounted_meanwhile: list[bytes] = field(default_factory=list)
    unreadable: list[tuple[bytes, OSError]] = field(default_factory=list)


@dataclass(slots=True)
class _Level:
    """A folder on the way down. names: those still to visit, the next one last.

    fd: -1 while it is closed to spare descriptors. identity: its (st_dev, st_ino).
    """

    path: bytes
    fd: int
    identity: tuple[int, int]
    names: list[bytes]


def walk(root_fd: int, scope: Scope, losses: Losses) -> Generator[Visit, None, None]:
    """Visit root and everything below it. root_fd stays the caller's."""
    yield Visit(b"", root_fd, b".", os.fstat(root_fd), Treatment.ENTER)
    descent = _Descent(root_fd, losses)
    special = scope.special
    try:
        descent.enter(b"", root_fd, b".", os.fstat(root_fd))
        while level := descent.deepest:
            if not level.names:
                descent.leave()
                continue
            name = level.names.pop()
            path = _join(level.path, name)
            visit = _visit(level, path, name, scope if path in special else None, losses)
            if visit is None:
                continue
            status = visit.status
            if status is None or not stat.S_ISDIR(status.st_mode):
                yield visit
                continue
            if visit.treatment is Treatment.ENTER and _is_new_mount(path, status, level, scope):
                losses.mounted_meanwhile.append(path)
                visit = visit._replace(treatment=Treatment.EMPTY)
            yield visit
            if visit.treatment is Treatment.ENTER:
                descent.enter(path, visit.folder_fd, name, status)
    finally:
        descent.close()


def _visit(
    level: _Level, path: bytes, name: bytes, scope: Scope | None, losses: Losses
) -> Visit | None:
    """What is at path now. scope: None where nothing special is to be done there: nearly always."""
    if scope and scope.treatment(path, is_folder=True) is Treatment.UNTOUCHED:
        return Visit(path, level.fd, name, None, Treatment.UNTOUCHED)
    try:
        status = os.stat(name, dir_fd=level.fd, follow_symlinks=False)
    except GONE:
        losses.vanished.append(path)
        return None
    except OSError as error:
        losses.unreadable.append((path, error))
        return None
    if scope is None:
        return Visit(path, level.fd, name, status, Treatment.ENTER)
    treatment = scope.treatment(path, is_folder=stat.S_ISDIR(status.st_mode))
    if treatment is Treatment.LEAVE_OUT:
        return None
    return Visit(path, level.fd, name, status, treatment)


def _is_new_mount(path: bytes, status: os.stat_result, level: _Level, scope: Scope) -> bool:
    """Whether a folder lies on another file system that the mount table did not show."""
    return (
        status.st_dev != level.identity[0]
        and status.st_ino != BTRFS_SUBVOLUME_INO
        and path not in scope.mount_points
    )


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


class _Descent:
    """The folders from the root down to where the walk is; the shallow ones may be closed."""

    def __init__(self, root_fd: int, losses: Losses) -> None:
        self._root_fd = root_fd
        self._losses = losses
        self._levels: list[_Level] = []

    @property
    def deepest(self) -> _Level | None:
        return self._levels[-1] if self._levels else None

    def enter(self, path: bytes, parent_fd: int, name: bytes, seen: os.stat_result) -> None:
        """Open and list a folder; one that is gone or unreadable is recorded instead.

        seen: its status as it was visited; something mounted on it since is not entered.
        """
        fd = -1
        try:
            fd = open_folder(name, parent_fd)
            status = os.fstat(fd)
            names = _list(fd) if status.st_dev == seen.st_dev else None
        except GONE:
            self._losses.vanished.append(path)
        except OSError as error:
            self._losses.unreadable.append((path, error))
        else:
            if names is not None:
                self._levels.append(_Level(path, fd, (status.st_dev, status.st_ino), names))
                self._spare_descriptors()
                return
            self._losses.mounted_meanwhile.append(path)
        if fd >= 0:
            os.close(fd)

    def leave(self) -> None:
        """Go back to the parent, opening it again if it was closed."""
        left = self._levels.pop()
        parent = self.deepest
        if parent is not None and parent.fd < 0:
            self._reopen(parent, left.fd)
        os.close(left.fd)

    def close(self) -> None:
        for level in self._levels:
            if level.fd >= 0:
                os.close(level.fd)
        self._levels.clear()

    def _spare_descriptors(self) -> None:
        surplus = len(self._levels) - OPEN_FOLDERS_MAX
        if surplus > 0:
            level = self._levels[surplus - 1]
            os.close(level.fd)
            level.fd = -1

    def _reopen(self, level: _Level, child_fd: int) -> None:
        """Open level by its child's "..", or by its path if the child was moved elsewhere."""
        for attempt in (self._open_above, self._open_by_path):
            try:
                fd = attempt(level, child_fd)
            except OSError:
                continue
            status = os.fstat(fd)
            if (status.st_dev, status.st_ino) == level.identity:
                level.fd = fd
                return
            os.close(fd)
        # The folder is nowhere any more: what it still held is gone, and leave() closes this.
        self._losses.vanished.extend(_join(level.path, name) for name in reversed(level.names))
        level.names.clear()
        level.fd = os.dup(child_fd)

    def _open_above(self, level: _Level, child_fd: int) -> int:
        return os.open(b"..", _FOLDER_FLAGS, dir_fd=child_fd)

    def _open_by_path(self, level: _Level, child_fd: int) -> int:
        fd = os.dup(self._root_fd)
        for name in level.path.split(b"/") if level.path else ():
            try:
                below = os.open(name, _FOLDER_FLAGS, dir_fd=fd)
            finally:
                os.close(fd)
            fd = below
        return fd


def open_folder(name: bytes, parent_fd: int) -> int:
    """Open a folder for listing, leaving its atime alone where the kernel allows that."""
    try:
        return os.open(name, _FOLDER_FLAGS | os.O_NOATIME, dir_fd=parent_fd)
    except PermissionError:
        # O_NOATIME is for the owner and root only, open(2).
        return os.open(name, _FOLDER_FLAGS, dir_fd=parent_fd)


def _list(fd: int) -> list[bytes]:
    """All names in the folder, the first in order last; listed again if it changed meanwhile."""
    names: list[bytes] = []
    for _ in range(LISTINGS_MAX):
        before = os.fstat(fd).st_mtime_ns
        names = [os.fsencode(name) for name in os.listdir(fd)]
        if os.fstat(fd).st_mtime_ns == before:
            break
    names.sort(reverse=True)
    return names
