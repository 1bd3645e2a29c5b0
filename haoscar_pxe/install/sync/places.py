"""The standby's tree as a sync works on it: one root, and a staging folder on each file system.

    <mount point>/.haoscar-pxe-sync/     0700, root's; there only while a sync is under way
        <name>                           a staged file, whole, waiting for its rename
        old-<number>                     what gave way, waiting to be removed

rename(2) works within one file system only, hence one folder on each.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from haoscar_pxe.image.attributes import clear_inherited
from haoscar_pxe.image.folders import FOLDER_FLAGS, open_below, open_root
from haoscar_pxe.install.sync.plan import place_of
from haoscar_pxe.install.sync.removal import remove

STAGING: Final = b".haoscar-pxe-sync"


def staging_paths(mount_points: Sequence[bytes]) -> frozenset[bytes]:
    """Where the staging folders lie, relative to the root."""
    return frozenset(_below(point, STAGING) for point in mount_points)


def remove_staging(root: Path, mount_points: Sequence[bytes]) -> None:
    """Remove every staging folder; the folders that held them keep their times. Raises OSError."""
    for point in mount_points:
        folder = root / os.fsdecode(point)
        staging = folder / os.fsdecode(STAGING)
        if staging.is_dir() and not staging.is_symlink():
            before = folder.stat()
            _empty(staging)
            staging.rmdir()
            os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))


def _empty(staging: Path) -> None:
    fd = open_root(staging)
    try:
        while names := os.listdir(fd):
            remove(fd, os.fsencode(names[0]))
    finally:
        os.close(fd)


class Places:
    """The root and its staging folders, open. Use it in a `with`."""

    def __init__(self, root: Path, mount_points: Sequence[bytes]) -> None:
        """mount_points: relative to root, b"" among them. Raises OSError."""
        self._opened = ExitStack()
        try:
            self.root_fd = self._keep(open_root(root))
            self._staging = {point: self._open_staging(point) for point in mount_points}
        except BaseException:
            self._opened.close()
            raise

    def __enter__(self) -> Places:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def staging_fd(self, path: bytes) -> int:
        """The staging folder on the file system of a path."""
        return self._staging[place_of(path, self._staging)]

    def staging_fds(self) -> list[int]:
        """One on each file system."""
        return list(self._staging.values())

    def _keep(self, fd: int) -> int:
        self._opened.callback(os.close, fd)
        return fd

    def _open_staging(self, point: bytes) -> int:
        """Open the folder, made if it is not there; its parent keeps its times."""
        parent = self._keep(open_below(self.root_fd, point))
        before = os.stat(b".", dir_fd=parent)
        made = False
        with suppress(FileExistsError):
            os.mkdir(STAGING, 0o700, dir_fd=parent)
            made = True
        fd = self._keep(os.open(STAGING, FOLDER_FLAGS, dir_fd=parent))
        clear_inherited(fd)
        if made:
            os.utime(b".", ns=(before.st_atime_ns, before.st_mtime_ns), dir_fd=parent)
        return fd


def _below(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name
