"""One name of a tree is made in a folder that is open: a file with its content, or a special one.

Nothing that is there already is replaced, and nothing is walked through a symlink.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import Final, TypeAlias, assert_never

from haoscar_pxe.image import attributes
from haoscar_pxe.image.entry import AnyFile, Device, Fifo, Socket, Symlink

FILE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Special: TypeAlias = Symlink | Device | Fifo | Socket


def lay_file(
    entry: AnyFile, folder_fd: int, name: bytes, content: Iterable[tuple[int, bytes]]
) -> None:
    """Make the file. content: (offset, bytes) in ascending order, without holes. Raises OSError."""
    fd = os.open(name, FILE_FLAGS, 0o600, dir_fd=folder_fd)
    try:
        end = 0
        for offset, data in content:
            _write_at(fd, data, offset)
            end = offset + len(data)
        if end != entry.size_bytes:
            os.ftruncate(fd, entry.size_bytes)
        attributes.put_on_descriptor(fd, entry.meta)
    finally:
        os.close(fd)


def lay_special(entry: Special, folder_fd: int, name: bytes) -> None:
    """Make what has no content. Raises OSError."""
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
    written = os.pwrite(fd, data, offset)
    while written < len(data):
        written += os.pwrite(fd, memoryview(data)[written:], offset + written)
