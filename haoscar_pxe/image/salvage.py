"""Reads a pack whole, however damaged, and says which of its chunks are what their ids say.

A chunk is good if its bytes hash to its id, whatever else is wrong with the pack. So the rows of an
index whose own hash is wrong are tried all the same; where a pack has no rows left, because its
end is cut off, its blobs are looked through for what they are. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import zstandard
from blake3 import blake3

from haoscar_pxe.errors import IntegrityError, StorageError
from haoscar_pxe.image.compression import (
    MAX_CHUNK_BYTES,
    MAX_WINDOW_BYTES,
    Decompressor,
    Encoding,
)
from haoscar_pxe.image.pack import (
    FOOTER,
    HEADER,
    MAX_PACK_BYTES,
    MAX_ROWS,
    ROW,
    Kind,
    Location,
    PackIndex,
    decode_header,
    decode_tail,
    index_size,
)
from haoscar_pxe.image.store import PackGoneError, PackStore, StoreUnreachableError

ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"  # RFC 8878 section 3.1.1
BLOCK_BYTES: Final = 64 << 10
"""What is given up around a place that the disk does not read."""


@dataclass(frozen=True, slots=True)
class ReadPack:
    """One pack as it is. kind: as its header says, None if that cannot be read.

    reasons: everything that is wrong with it, in words. good: where its good chunks lie in it.
    is_readable: its index is whole, so readers find those.
    """

    pack_id: str
    size_bytes: int
    kind: Kind | None
    reasons: tuple[str, ...]
    good: dict[bytes, Location]
    is_readable: bool

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.reasons


def read_pack(store: PackStore, pack_id: str, size_bytes: int) -> ReadPack:
    """Read the pack. Raises PackGoneError, StoreUnreachableError; the rest is among the reasons."""
    if size_bytes > MAX_PACK_BYTES:
        reason = f"{size_bytes} bytes are more than a pack may have"
        return ReadPack(pack_id, size_bytes, None, (reason,), {}, is_readable=False)
    reasons: list[str] = []
    content = _content(store, pack_id, size_bytes, reasons)
    if blake3(content).hexdigest() != pack_id:
        reasons.append("its content is not what its name says")
    kind = _kind(content, pack_id, reasons)
    chunks = _Chunks(content)
    index = _index(content, pack_id, reasons)
    # No row of a damaged index is a promise: one without a good chunk says nothing.
    for chunk_id, at in _possible_rows(content) if index is None else _rows(index):
        if kind is Kind.SEALED and at.encoding:
            reasons.append("a sealed chunk is not stored as it is")
        if not chunks.take(chunk_id, at) and index is not None:
            reasons.append(f"chunk {chunk_id.hex()[:12]} is damaged")
    if index is None and not chunks.good:
        chunks.look_through()
    reasons = list(dict.fromkeys(reasons))
    return ReadPack(pack_id, size_bytes, kind, tuple(reasons), chunks.good, index is not None)


def stored_chunk(store: PackStore, pack_id: str, at: Location) -> bytes:
    """A chunk that was good when the pack was read; whoever uses it hashes it again.

    Raises IntegrityError, StorageError.
    """
    stored = store.read(pack_id, at.offset_bytes, at.stored_bytes)
    return Decompressor().restore(at.encoding, stored, at.raw_bytes)


def _content(store: PackStore, pack_id: str, size_bytes: int, reasons: list[str]) -> bytes:
    """All bytes; zeros for the blocks that the disk does not give."""
    try:
        return store.read(pack_id, 0, size_bytes)
    except (PackGoneError, StoreUnreachableError):
        raise
    except StorageError as error:
        reasons.append(str(error))
    content = bytearray(size_bytes)
    for offset in range(0, size_bytes, BLOCK_BYTES):
        end = min(offset + BLOCK_BYTES, size_bytes)
        try:
            content[offset:end] = store.read(pack_id, offset, end - offset)
        except (PackGoneError, StoreUnreachableError):
            raise
        except StorageError:
            continue
    return bytes(content)


def _kind(content: bytes, pack_id: str, reasons: list[str]) -> Kind | None:
    try:
        return decode_header(content[: HEADER.size], pack_id)
    except IntegrityError as error:
        reasons.append(str(error))
        return None


def _index(content: bytes, pack_id: str, reasons: list[str]) -> PackIndex | None:
    """The index, None if it is damaged."""
    size_bytes = len(content)
    try:
        index_bytes = index_size(content[-FOOTER.size :], pack_id, size_bytes)
        return decode_tail(content[size_bytes - index_bytes - FOOTER.size :], pack_id, size_bytes)
    except IntegrityError as error:
        reasons.append(f"its index cannot be used: {error}")
        return None


def _rows(index: PackIndex) -> Iterator[tuple[bytes, Location]]:
    return ((chunk_id, index.location(row)) for row, chunk_id in enumerate(index.chunk_ids()))


def _possible_rows(content: bytes) -> Iterator[tuple[bytes, Location]]:
    """What lies before the place of the footer and could be rows of this pack."""
    end = len(content) - FOOTER.size
    starts = range(end - ROW.size, max(HEADER.size, end - MAX_ROWS * ROW.size), -ROW.size)
    for start in starts:
        chunk_id, offset, stored, raw, encoding = ROW.unpack_from(content, start)
        is_inside = HEADER.size <= offset < offset + stored <= start + ROW.size
        if is_inside and stored <= raw <= MAX_CHUNK_BYTES and encoding in tuple(Encoding):
            yield chunk_id, Location(offset, stored, raw, Encoding(encoding))


class _Chunks:
    """The good chunks of a pack's bytes."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._decompressor = Decompressor()
        self.good: dict[bytes, Location] = {}

    def take(self, chunk_id: bytes, at: Location) -> bool:
        """Whether the chunk is there and good."""
        data = self._data(at)
        is_good = data is not None and blake3(data).digest() == chunk_id
        if is_good:
            self.good[chunk_id] = at
        return is_good

    def look_through(self) -> None:
        """Without an index: each frame is a chunk, and what lies between two frames may be one."""
        end = HEADER.size
        for start, stop, raw_bytes in _frames(self._content):
            self._take_unnamed(Location(end, start - end, start - end, Encoding.RAW))
            self._take_unnamed(Location(start, stop - start, raw_bytes, Encoding.ZSTD))
            end = stop

    def _take_unnamed(self, at: Location) -> None:
        if 0 < at.raw_bytes <= MAX_CHUNK_BYTES and (data := self._data(at)) is not None:
            self.good.setdefault(blake3(data).digest(), at)

    def _data(self, at: Location) -> bytes | None:
        stored = self._content[at.offset_bytes : at.offset_bytes + at.stored_bytes]
        try:
            return self._decompressor.restore(at.encoding, stored, at.raw_bytes)
        except IntegrityError:
            return None


def _frames(content: bytes) -> Iterator[tuple[int, int, int]]:
    """(first byte, end, size unpacked) of whatever zstd frames there are, one after the other."""
    context = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
    at = HEADER.size
    for _ in range(MAX_ROWS):
        at = content.find(ZSTD_MAGIC, at)
        if at < 0:
            return
        frame = _frame(content, at, context)
        if frame is not None:
            yield at, *frame
        at = frame[0] if frame else at + 1


def _frame(
    content: bytes, start: int, context: zstandard.ZstdDecompressor
) -> tuple[int, int] | None:
    """(end, size unpacked) of the frame that begins there, if one does."""
    try:
        raw_bytes = zstandard.get_frame_parameters(content[start : start + 18]).content_size
        if not 0 < raw_bytes <= MAX_CHUNK_BYTES:
            return None
        piece = content[start : start + raw_bytes]  # a chunk is stored as a frame if that is less
        unpacking = context.decompressobj()
        unpacking.decompress(piece)
    except zstandard.ZstdError:
        return None
    if not unpacking.eof:
        return None
    return start + len(piece) - len(unpacking.unused_data), raw_bytes
