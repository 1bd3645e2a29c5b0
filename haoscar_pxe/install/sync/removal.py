"""Removes whole trees that gave way, of any depth, immutable files in them or not.

Every folder in a folder is moved up beside it before it is emptied, so nothing recurses and no path
grows long. Flags: ioctl_iflags(2); chattr(1) sets them, and not even root passes them.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from collections.abc import Callable
from functools import partial
from typing import Final

from haoscar_pxe.image.folders import FOLDER_FLAGS

FS_IOC_GETFLAGS: Final = 0x80086601  # linux/fs.h
FS_IOC_SETFLAGS: Final = 0x40086602
FS_IMMUTABLE_FL: Final = 0x10
FS_APPEND_FL: Final = 0x20
LOOK: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def remove(folder_fd: int, name: bytes) -> None:
    """Remove what stands at the name in the folder, with all below it. Raises OSError.

    The folder is a place apart, in which names may be made up. Killed in between, what is left
    lies in it under other names.
    """
    waiting, made_up = [name], 0
    while waiting:
        here = waiting.pop()
        if not stat.S_ISDIR(os.lstat(here, dir_fd=folder_fd).st_mode):
            despite_flags(partial(os.unlink, here, dir_fd=folder_fd), folder_fd, here)
            continue
        fd = os.open(here, FOLDER_FLAGS, dir_fd=folder_fd)
        try:
            for child in map(os.fsencode, os.listdir(fd)):
                made_up = _unused(folder_fd, made_up)
                beside = b"below-%d" % made_up
                _move_up(fd, child, folder_fd, beside)
                waiting.append(beside)
        finally:
            os.close(fd)
        os.rmdir(here, dir_fd=folder_fd)


def despite_flags(act: Callable[[], None], folder_fd: int, name: bytes) -> None:
    """Act on a name; where that is not permitted, take away what forbids it, and act again."""
    try:
        act()
    except PermissionError:
        clear_flags(folder_fd, b".")
        clear_flags(folder_fd, name)
        act()


def clear_flags(folder_fd: int, name: bytes) -> None:
    """Make a file or folder mutable, where it is one that can have flags and has them."""
    try:
        status = os.lstat(name, dir_fd=folder_fd)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            return
        fd = os.open(name, LOOK, dir_fd=folder_fd)
    except OSError:
        return
    try:
        buffer = fcntl.ioctl(fd, FS_IOC_GETFLAGS, bytes(8))
        flags = struct.unpack_from("i", buffer)[0]
        if flags & (FS_IMMUTABLE_FL | FS_APPEND_FL):
            mutable = flags & ~(FS_IMMUTABLE_FL | FS_APPEND_FL)
            fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("i", mutable))
    except OSError:  # a file system without flags
        return
    finally:
        os.close(fd)


def _move_up(fd: int, child: bytes, folder_fd: int, beside: bytes) -> None:
    move = partial(os.rename, child, beside, src_dir_fd=fd, dst_dir_fd=folder_fd)
    despite_flags(move, fd, child)


def _unused(folder_fd: int, number: int) -> int:
    while True:
        number += 1
        try:
            os.lstat(b"below-%d" % number, dir_fd=folder_fd)
        except FileNotFoundError:
            return number
