"""Makes what was written visible to a boot loader that reads the disk after a power cut.

fsync(2) and syncfs(2) on ext4 promise that the kernel will find everything, by replaying the
file system's journal. GRUB does not replay it: it sees what lies in its final place. Freezing a
file system writes its journal out and empties it (ext4_freeze), so freeze and thaw after syncfs is
the barrier between a step and the next.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, TypeAlias

from haoscar_pxe.image.attributes import sync_file_system

FIFREEZE: Final = 0xC0045877  # linux/fs.h: _IOWR('X', 119, int)
FITHAW: Final = 0xC0045878
CANNOT_FREEZE: Final = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EPERM)
"""vfat and the like: they have no journal, and syncfs was all."""

Settle: TypeAlias = Callable[[Iterable[Path]], None]
"""Takes folders; on return, whatever reads the disks of their file systems finds all of it."""


def settle(folders: Iterable[Path]) -> None:
    """The real barrier, on each file system once. Raises OSError."""
    seen: set[int] = set()
    for folder in folders:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            device = os.fstat(fd).st_dev
            if device not in seen:
                seen.add(device)
                sync_file_system(fd)
                _freeze_and_thaw(fd)
        finally:
            os.close(fd)


def sync_only(folders: Iterable[Path]) -> None:
    """For a tree that no machine boots from: durable for the kernel, and nobody is held up."""
    for folder in folders:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            sync_file_system(fd)
        finally:
            os.close(fd)


def _freeze_and_thaw(fd: int) -> None:
    """Nothing stands between the two calls: all that writes there waits meanwhile."""
    try:
        fcntl.ioctl(fd, FIFREEZE, 0)
    except OSError as error:
        if error.errno in CANNOT_FREEZE:
            return
        raise
    fcntl.ioctl(fd, FITHAW, 0)
