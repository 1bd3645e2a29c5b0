"""The bytes of one file of a generation: as a stream, or compared with those of another.

Both hold one chunk at a time, however large the file is; a hole costs nothing until somebody asks
for its zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

from haoscar_pxe.image.entry import AnyFile, Extent, File
from haoscar_pxe.image.reader import ChunkReader, chunk_of, extents

ZERO_BYTES: Final = 1 << 20
_zeros = bytes(ZERO_BYTES)


def stream(entry: AnyFile, chunks: ChunkReader) -> Iterator[bytes]:
    """The file from its first byte to its last, in pieces; holes as zeros.

    Raises IntegrityError, StorageError before anything that is not true is given; SealedError.
    """
    end = 0
    for offset, data in extents(entry, chunks):
        yield from _hole(offset - end)
        yield data
        end = offset + len(data)
    yield from _hole(entry.size_bytes - end)


def is_same_content(one: AnyFile, other: AnyFile, chunks: Callable[[], ChunkReader]) -> bool:
    """Whether both files have the same bytes, wherever their holes are and they were cut.

    chunks: makes a reader of all packs; asked only if bytes must be looked at.
    Most often the ids tell: chunks of the same place and size are the same or differ. Where files
    are cut differently, or sealed, chunks are read, up to the first byte that differs.
    Raises IntegrityError, StorageError, SealedError.
    """
    if one.size_bytes != other.size_bytes or _differs_by_ids(one, other):
        return False
    if one.extents == other.extents:
        return True
    reader = chunks()
    sides = (_Side(one, reader), _Side(other, reader))
    edges = {0, one.size_bytes}
    for extent in (*one.extents, *other.extents):
        edges |= {extent.offset_bytes, extent.offset_bytes + extent.size_bytes}
    return all(_is_same_span(sides, start, end) for start, end in pairwise(sorted(edges)))


def _differs_by_ids(one: AnyFile, other: AnyFile) -> bool:
    if not (isinstance(one, File) and isinstance(other, File)):  # a box is another each time
        return False
    ids = {(each.offset_bytes, each.size_bytes): each.chunk_id for each in one.extents}
    return any(
        ids.get((each.offset_bytes, each.size_bytes), each.chunk_id) != each.chunk_id
        for each in other.extents
    )


class _Side:
    """One of two files that are read side by side, from its start to its end."""

    def __init__(self, entry: AnyFile, chunks: ChunkReader) -> None:
        self._entry = entry
        self._waiting = list(reversed(entry.extents))
        self._chunks = chunks
        self._held: tuple[bytes, bytes] = (b"", b"")

    def place(self, start: int) -> tuple[bytes, int] | None:
        """The chunk in which `start` lies and how far into it; None in a hole.

        start never goes back.
        """
        while self._waiting and _end(self._waiting[-1]) <= start:
            self._waiting.pop()
        if not self._waiting or self._waiting[-1].offset_bytes > start:
            return None
        return self._waiting[-1].chunk_id, start - self._waiting[-1].offset_bytes

    def read(self, place: tuple[bytes, int] | None, size_bytes: int) -> bytes | memoryview:
        """The bytes at a place; size_bytes do not go beyond its chunk."""
        if place is None:
            return bytes(size_bytes)
        chunk_id, offset = place
        if self._held[0] != chunk_id:
            self._held = (chunk_id, chunk_of(self._entry, chunk_id, self._chunks))
        return memoryview(self._held[1])[offset : offset + size_bytes]


def _is_same_span(sides: tuple[_Side, _Side], start: int, end: int) -> bool:
    """Whether bytes start to end, which lie in at most one chunk on each side, are the same."""
    one, other = (side.place(start) for side in sides)
    if one == other:
        return True
    # At least one side is a chunk, so the span is no longer than a chunk can be.
    return sides[0].read(one, end - start) == sides[1].read(other, end - start)


def _end(extent: Extent) -> int:
    return extent.offset_bytes + extent.size_bytes


def _hole(size_bytes: int) -> Iterator[bytes]:
    while size_bytes > 0:
        yield _zeros[:size_bytes]
        size_bytes -= ZERO_BYTES
