"""Walks a tree in the order of entries (`sort_key`), by descriptors: no path is too long for it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from haoscar_pxe.image.folders import FOLDER_FLAGS, FolderChain


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands at a path. folder_fd is valid until the walk goes on; name is relative to it."""

    path: bytes
    folder_fd: int
    name: bytes
    status: os.stat_result

    @property
    def is_folder(self) -> bool:
        """Whether it is a directory (not a symlink to one)."""
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def proc_path(self) -> bytes:
        """A short path to it, for calls that take no folder descriptor; never to be followed."""
        return b"/proc/self/fd/%d/%s" % (self.folder_fd, self.name)


class Walk:
    """A walk that its caller can keep out of folders. `next` raises OSError."""

    def __init__(self, root_fd: int) -> None:
        """root_fd: the root, opened as a folder; stays its owner's."""
        self._root_fd = root_fd
        self._chain = FolderChain(lambda folder: None)
        self._waiting: list[list[bytes]] = []
        self._last: Standing | None = None
        self._go_in = True

    def next(self) -> Standing | None:
        """The next in order, the root (path b"") first; None at the end.

        What vanishes while the walk goes on is passed over.
        """
        if self._last is None:
            self._last = Standing(b"", self._root_fd, b".", os.fstat(self._root_fd))
            return self._last
        if self._last.is_folder and self._go_in:
            self._enter(self._last)
        while self._waiting:
            if not self._waiting[-1]:
                self._waiting.pop()
                self._chain.leave_last()
            elif (here := self._stand(self._waiting[-1].pop())) is not None:
                self._last, self._go_in = here, True
                return here
        return None

    def stay_out(self) -> None:
        """Do not go into the folder that `next` gave last."""
        self._go_in = False

    def close(self) -> None:
        """Let go of all descriptors."""
        self._chain.close()

    def _enter(self, folder: Standing) -> None:
        fd = self._root_fd
        if folder.path:
            fd = os.open(folder.name, FOLDER_FLAGS, dir_fd=folder.folder_fd)
        self._chain.enter(folder.path, fd)
        self._waiting.append(sorted(map(os.fsencode, os.listdir(fd)), reverse=True))

    def _stand(self, name: bytes) -> Standing | None:
        parent = self._chain.deepest
        path = parent.path + b"/" + name if parent.path else name
        try:
            status = os.lstat(name, dir_fd=parent.fd)
        except FileNotFoundError:
            return None
        return Standing(path, parent.fd, name, status)
