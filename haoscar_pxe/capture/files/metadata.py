"""Mode, owner, time and extended attributes of a name, as entries hold them.

Source: xattr(7). Every attribute that listxattr(2) shows is kept, whatever its namespace: ACLs,
capabilities, security labels. Inode flags (chattr) are no attributes and are not kept.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

from haoscar_pxe.image.entry import Metadata

_HAS_NONE: Final = frozenset({errno.ENOTSUP, errno.ENODATA, errno.ENOSYS})


def metadata(status: os.stat_result, xattrs: tuple[tuple[bytes, bytes], ...]) -> Metadata:
    """What an entry keeps of a status."""
    return Metadata(
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        mtime_ns=status.st_mtime_ns,
        xattrs=xattrs,
    )


def xattrs_of_file(fd: int) -> tuple[tuple[bytes, bytes], ...]:
    """All extended attributes of an open file, ordered by name. Raises OSError."""
    return _xattrs(fd)


def xattrs_of_name(folder_fd: int, name: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """All extended attributes of a name that is not opened: a symbolic link's are its own.

    There is no listxattrat(2) before Linux 6.13; the way over /proc reaches any depth as well.
    """
    return _xattrs(b"/proc/self/fd/%d/%b" % (folder_fd, name))


def _xattrs(where: int | bytes) -> tuple[tuple[bytes, bytes], ...]:
    follow = isinstance(where, int)
    try:
        names = os.listxattr(where, follow_symlinks=follow)
    except OSError as error:
        if error.errno in _HAS_NONE:
            return ()
        raise
    found = []
    for name in names:
        value = _value(where, name, follow)
        if value is not None:
            found.append((os.fsencode(name), value))
    return tuple(sorted(found))


def _value(where: int | bytes, name: str, follow: bool) -> bytes | None:
    """The value; None if the attribute was removed after it was listed."""
    try:
        return os.getxattr(where, name, follow_symlinks=follow)
    except OSError as error:
        if error.errno == errno.ENODATA:
            return None
        raise
