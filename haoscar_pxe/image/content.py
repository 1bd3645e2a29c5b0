"""Whether an open file holds the bytes and the holes that its entry says."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from typing import Final

from blake3 import blake3

from haoscar_pxe.image.entry import AnyFile, File, SealedFile

ZERO_BYTES: Final = 1 << 20
HOLE_GRAIN_BYTES: Final = 64 << 10
"""A hole counts as kept where whole blocks of this size are not allocated; smaller differ by fs."""

_zeros = bytes(ZERO_BYTES)


def wrong_content(fd: int, entry: File) -> str:
    """What is wrong with the file's bytes, in words; "" if they are the entry's. Raises OSError."""
    if wrong := _wrong_size(fd, entry):
        return wrong
    for extent in entry.extents:
        data = _read(fd, extent.offset_bytes, extent.size_bytes)
        if blake3(data).digest() != extent.chunk_id:
            return _other_bytes(extent.offset_bytes, extent.size_bytes)
    return _wrong_gaps(fd, entry)


def wrong_secret(fd: int, entry: SealedFile, content: Iterable[tuple[int, bytes]]) -> str:
    """As `wrong_content`, of a sealed file. content: as `reader.extents` opens it."""
    if wrong := _wrong_size(fd, entry):
        return wrong
    for offset, data in content:
        if _read(fd, offset, len(data)) != data:
            return _other_bytes(offset, len(data))
    return _wrong_gaps(fd, entry)


def _wrong_size(fd: int, entry: AnyFile) -> str:
    size = os.fstat(fd).st_size
    return f"{size} bytes" if size != entry.size_bytes else ""


def _other_bytes(offset: int, size_bytes: int) -> str:
    return f"other bytes within {size_bytes} from {offset}"


def _wrong_gaps(fd: int, entry: AnyFile) -> str:
    for start, end in gaps(entry):
        if not _is_zero(fd, start, end):
            return f"bytes other than zero between {start} and {end}"
    return ""


def filled_hole(fd: int, entry: AnyFile) -> str:
    """Which hole of the entry takes up space in the file, in words; "" if none. Raises OSError."""
    for start, end in gaps(entry):
        start = -(-start // HOLE_GRAIN_BYTES) * HOLE_GRAIN_BYTES
        end -= end % HOLE_GRAIN_BYTES
        if start < end and _next_data(fd, start, end) < end:
            return f"data between {start} and {end}"
    return ""


def gaps(entry: AnyFile) -> Iterator[tuple[int, int]]:
    """(start, end) of the holes, in ascending order.

    >>> from haoscar_pxe.image.entry import Extent, File, Metadata
    >>> list(gaps(File(b"f", Metadata(0, 0, 0, 0), 9, (Extent(2, 3, bytes(32)),))))
    [(0, 2), (5, 9)]
    """
    end = 0
    for extent in entry.extents:
        if extent.offset_bytes > end:
            yield end, extent.offset_bytes
        end = extent.offset_bytes + extent.size_bytes
    if entry.size_bytes > end:
        yield end, entry.size_bytes


def spans(entry: AnyFile) -> list[tuple[int, int]]:
    """(start, end) of the data between the holes, in ascending order; touching extents are one.

    >>> from haoscar_pxe.image.entry import Extent, File, Metadata
    >>> id = bytes(32)
    >>> extents = (Extent(2, 3, id), Extent(5, 1, id), Extent(8, 1, id))
    >>> spans(File(b"f", Metadata(0, 0, 0, 0), 9, extents))
    [(2, 6), (8, 9)]
    """
    found: list[tuple[int, int]] = []
    for extent in entry.extents:
        start, end = extent.offset_bytes, extent.offset_bytes + extent.size_bytes
        if found and found[-1][1] == start:
            start = found.pop()[0]
        found.append((start, end))
    return found


def _is_zero(fd: int, start: int, end: int) -> bool:
    """Whether all bytes are zero; real holes are stepped over without reading them."""
    at = _next_data(fd, start, end)
    while at < end:
        data = _read(fd, at, min(ZERO_BYTES, end - at))
        if data != _zeros[: len(data)] or not data:
            return False
        at = _next_data(fd, at + len(data), end)
    return True


def _next_data(fd: int, start: int, end: int) -> int:
    """Where the next data begins, or end (lseek(2), SEEK_DATA)."""
    if start >= end:
        return end
    try:
        return min(os.lseek(fd, start, os.SEEK_DATA), end)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return end
        raise


def _read(fd: int, offset: int, size: int) -> bytes:
    """size bytes, or fewer where the file ends."""
    data = os.pread(fd, size, offset)
    while len(data) < size and (more := os.pread(fd, size - len(data), offset + len(data))):
        data += more
    return data
