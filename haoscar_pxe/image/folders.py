"""Folders of a tree that are open while it is filled or read back, deepest last.

Every step down is one openat(2) with O_NOFOLLOW, so no symlink is ever walked through and no path
is ever too long. Of a deep chain only the last folders stay open; the others are opened again by
"..", and must then be the very folders they were.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAX_OPEN: Final = 64
FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
SEARCH_FLAGS: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class OpenFolder:
    """One folder of the chain, relative to its root. fd: -1 while it is not open."""

    path: bytes
    fd: int
    identity: tuple[int, int]


class FolderChain:
    """From the root to the folder whose entries are at hand.

    The root's descriptor stays open and its owner's; the chain closes all others.
    """

    def __init__(self, leave: Callable[[OpenFolder], None]) -> None:
        """leave: called with each folder, still open, when its entries are done."""
        self._chain: list[OpenFolder] = []
        self._leave = leave

    def enter(self, path: bytes, fd: int) -> None:
        """Go down into a folder just opened; the first one is the root."""
        status = os.fstat(fd)
        self._chain.append(OpenFolder(path, fd, (status.st_dev, status.st_ino)))
        if len(self._chain) > MAX_OPEN + 1:
            self._close(self._chain[-MAX_OPEN - 1])

    def go_to(self, path: bytes) -> int:
        """Leave folders until path, which must be in the chain, is the deepest; its fd."""
        while self._chain[-1].path != path:
            self.leave_last()
        return self._chain[-1].fd

    @property
    def deepest(self) -> OpenFolder:
        """The folder entered last and not left yet."""
        return self._chain[-1]

    def leave_last(self) -> None:
        """Leave the deepest folder."""
        folder = self._chain[-1]
        if len(self._chain) > 1 and self._chain[-2].fd < 0:
            self._reopen(self._chain[-2], folder.fd)
        self._leave(folder)
        self._chain.pop()
        if self._chain:
            self._close(folder)

    def leave_all(self) -> None:
        """Leave every folder, the root last."""
        while self._chain:
            self.leave_last()

    def close(self) -> None:
        """Let go of everything that is open, without leaving it properly."""
        for folder in self._chain[1:]:
            self._close(folder)
        self._chain.clear()

    def _close(self, folder: OpenFolder) -> None:
        if folder.fd >= 0:
            os.close(folder.fd)
            folder.fd = -1

    def _reopen(self, folder: OpenFolder, child_fd: int) -> None:
        fd = os.open(b"..", FOLDER_FLAGS, dir_fd=child_fd)
        status = os.fstat(fd)
        if (status.st_dev, status.st_ino) != folder.identity:
            os.close(fd)
            raise OSError(errno.ESTALE, "a folder was moved meanwhile", folder.path)
        folder.fd = fd


def open_below(root_fd: int, path: bytes) -> int:
    """Open the folder at path below root_fd, name by name, through no symlink. Raises OSError."""
    fd = os.open(b".", SEARCH_FLAGS, dir_fd=root_fd)
    for name in path.split(b"/") if path else []:
        try:
            below = os.open(name, SEARCH_FLAGS, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd


def open_root(path: Path) -> int:
    """Open the folder that becomes the root; its own path may lead through symlinks."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
