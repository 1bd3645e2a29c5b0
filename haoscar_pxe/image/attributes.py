"""Owner, mode, xattrs and mtime onto a name just made, in the order in which they survive.

chown(2) clears setuid and file capabilities, and setting an ACL changes the mode: so first the
owner, then xattrs, then the mode, and the mtime after everything that would touch it.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Final

from haoscar_pxe.image.entry import Metadata

DEFAULT_ACL: Final = "system.posix_acl_default"
"""What a folder hands down to everything made in it; never wanted while restoring."""

_libc = ctypes.CDLL(None, use_errno=True)


def put_on_descriptor(fd: int, meta: Metadata) -> None:
    """Give an open file or folder its attributes. Raises OSError."""
    os.fchown(fd, meta.uid, meta.gid)
    for name, value in meta.xattrs:
        os.setxattr(fd, name, value)
    os.fchmod(fd, meta.mode)
    os.utime(fd, ns=(meta.mtime_ns, meta.mtime_ns))


def put_on_name(folder_fd: int, name: bytes, meta: Metadata, *, is_symlink: bool) -> None:
    """Give a symlink, device, fifo or socket its attributes without opening it. Raises OSError.

    xattrs go by /proc, since there is no setxattrat(2) before Linux 6.13. A symlink has no mode.
    """
    os.chown(name, meta.uid, meta.gid, dir_fd=folder_fd, follow_symlinks=False)
    for xattr, value in meta.xattrs:
        os.setxattr(_by_proc(folder_fd, name), xattr, value, follow_symlinks=False)
    if not is_symlink:
        os.chmod(name, meta.mode, dir_fd=folder_fd)
    times = (meta.mtime_ns, meta.mtime_ns)
    os.utime(name, ns=times, dir_fd=folder_fd, follow_symlinks=False)


def clear_inherited(fd: int) -> None:
    """Take from a folder that was there before what it would hand down. Raises OSError."""
    _remove(fd, DEFAULT_ACL)
    os.fchmod(fd, 0o700)


def remove_other_xattrs(fd: int, meta: Metadata) -> None:
    """Take away xattrs that the entry does not have; security labels stay. Raises OSError."""
    wanted = {os.fsdecode(name) for name, _ in meta.xattrs}
    for name in names_of_xattrs(fd):
        if name not in wanted and not name.startswith("security."):
            _remove(fd, name)


def sync_file_system(fd: int) -> None:
    """Make everything on the file system of fd durable: syncfs(2). Raises OSError."""
    if _libc.syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _by_proc(folder_fd: int, name: bytes) -> bytes:
    return b"/proc/self/fd/%d/%s" % (folder_fd, name)


def names_of_xattrs(path: bytes | int) -> list[str]:
    """Names of the xattrs of a path (not followed) or descriptor; none where a fs has none."""
    try:
        return os.listxattr(path, follow_symlinks=isinstance(path, int))
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return []
        raise


def _remove(fd: int, name: str) -> None:
    try:
        os.removexattr(fd, name)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.ENOTSUP):
            raise
