"""Writing so that it survives a power cut, and saying in words what a full or failing disk did.

An fsync that fails is never tried again: the kernel may have dropped the dirty pages, and a second
one would report success for bytes that are gone (fsync(2), "On Linux since 4.13").
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haoscar_pxe.errors import StorageError

GIB = 1 << 30


@contextmanager
def storage_errors(doing: str, path: Path) -> Iterator[None]:
    """Turn an OSError of the block into a StorageError: "cannot {doing} {path}: …"."""
    try:
        yield
    except OSError as error:
        raise storage_error(doing, path, error) from error


def storage_error(doing: str, path: Path, error: OSError) -> StorageError:
    """What to tell the user about an OSError on path; a full disk says how much is free."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(
            f"cannot {doing} {path}: {reason} ({free_space(path)}); what was committed stays",
            hint="free some space there, or put the repository on a larger file system",
        )
    if error.errno == errno.EFBIG:
        return StorageError(
            f"cannot {doing} {path}: {reason}", hint="raise the limit on file sizes ('ulimit -f')"
        )
    return StorageError(f"cannot {doing} {path}: {reason}")


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_durably(path: Path, content: bytes) -> None:
    """Create a file that is not there yet and make its content durable (its name is not yet)."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(fd)


def free_space(path: Path) -> str:
    """In words, how much is free where path is, or would be."""
    for folder in (path, *path.parents):
        try:
            free = os.statvfs(folder)
        except OSError:
            continue
        return f"{free.f_bavail * free.f_frsize / GIB:.2f} GiB free"
    return "free space unknown"
