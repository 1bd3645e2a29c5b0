"""Which names of the tree are one file: hard links, found by device and inode number."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Known:
    path: bytes
    names_left: int
    looks: tuple[int, int, int]


class LinkTable:
    """Remembers files with several names until all of these were met.

    An inode number can be given to another file while the tree is walked, so a file that looks
    different from when it was first met is looked up again before it counts as the same.
    """

    def __init__(self, root_fd: int) -> None:
        self._root_fd = root_fd
        self._known: dict[tuple[int, int], _Known] = {}

    def __len__(self) -> int:
        return len(self._known)

    def first_path(self, status: os.stat_result) -> bytes | None:
        """The entry that this file was captured as already, None when this is its first name."""
        identity = (status.st_dev, status.st_ino)
        known = self._known.get(identity) if may_be_linked(status) else None
        if known is None:
            return None
        if known.looks != _looks(status) and not self._is_still(known.path, identity):
            del self._known[identity]
            return None
        if known.names_left == 1:
            del self._known[identity]
        else:
            self._known[identity] = _Known(known.path, known.names_left - 1, known.looks)
        return known.path

    def remember(self, path: bytes, status: os.stat_result) -> None:
        """Say that the file's first name was captured as path."""
        if may_be_linked(status):
            identity = (status.st_dev, status.st_ino)
            self._known[identity] = _Known(path, status.st_nlink - 1, _looks(status))

    def _is_still(self, path: bytes, identity: tuple[int, int]) -> bool:
        """False as well where the path is too long to ask for: then it is captured twice."""
        try:
            status = os.stat(path, dir_fd=self._root_fd, follow_symlinks=False)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == identity


def may_be_linked(status: os.stat_result) -> bool:
    """Whether the name's file has other names."""
    return status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode)


def _looks(status: os.stat_result) -> tuple[int, int, int]:
    return stat.S_IFMT(status.st_mode), status.st_size, status.st_mtime_ns
