"""Where a file's data lies between its holes.

Source: lseek(2), SEEK_DATA and SEEK_HOLE. A file system without them shows one piece of data.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes of a file without a hole among them; size_bytes is at least 1."""

    offset_bytes: int
    size_bytes: int


def data_segments(fd: int, size_bytes: int) -> Iterator[Segment]:
    """The pieces of data in the first size_bytes of the file, ascending. Raises OSError.

    A piece may hold zeros (the file system tells holes by whole blocks); none is missing.
    """
    end = 0
    while end < size_bytes:
        start = _seek_data(fd, end, size_bytes)
        if start is None:
            return
        end = min(_seek_hole(fd, start, size_bytes), size_bytes)
        if end <= start:  # the file shrank between the two calls
            return
        yield Segment(start, end - start)


def _seek_data(fd: int, offset_bytes: int, size_bytes: int) -> int | None:
    """Where data begins at or after the offset; None when there is none up to size_bytes."""
    try:
        start = os.lseek(fd, offset_bytes, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        if error.errno in (errno.EINVAL, errno.ENOTSUP):
            return offset_bytes
        raise
    return start if start < size_bytes else None


def _seek_hole(fd: int, offset_bytes: int, size_bytes: int) -> int:
    try:
        return os.lseek(fd, offset_bytes, os.SEEK_HOLE)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return offset_bytes
        if error.errno in (errno.EINVAL, errno.ENOTSUP):
            return size_bytes
        raise
