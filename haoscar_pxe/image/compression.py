"""How a chunk is stored: zstd (RFC 8878) where that is smaller, as it is where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

import zstandard

from haoscar_pxe.errors import IntegrityError

LEVEL: Final = 1
"""Measured on a head's tree: a capture at level 3 takes a tenth more processor time than at level
1, which makes the repository 2.4 % larger."""
MAX_CHUNK_BYTES: Final = 32 << 20
"""No chunk is larger, so a reader may refuse a size from a damaged index before it allocates."""
MAX_WINDOW_BYTES: Final = 32 << 20


class Encoding(IntEnum):
    """How the stored bytes of a chunk become its bytes."""

    RAW = 0
    ZSTD = 1


class Compressor:
    """Compresses chunk after chunk with one context. Not for use by two threads at once."""

    def __init__(self) -> None:
        self._context = zstandard.ZstdCompressor(level=LEVEL)

    def store(self, data: bytes | memoryview) -> tuple[Encoding, bytes]:
        """The smaller of the two forms. zstd frames carry their content size."""
        return _smaller(bytes(data), self._context.compress(data))

    def store_all(self, chunks: Sequence[bytes]) -> list[tuple[Encoding, bytes]]:
        """What `store` gives for each, let go of Python's lock once for all of them.

        For small chunks that is most of it: a thread that takes the lock again after each waits
        for the one that reads, up to 5 ms a time.
        """
        packed = self._context.multi_compress_to_buffer(list(chunks), threads=1)
        return [_smaller(chunk, packed[at].tobytes()) for at, chunk in enumerate(chunks)]


def _smaller(data: bytes, packed: bytes) -> tuple[Encoding, bytes]:
    return (Encoding.ZSTD, packed) if len(packed) < len(data) else (Encoding.RAW, data)


class Decompressor:
    """Decompresses chunk after chunk with one context. Not for use by two threads at once."""

    def __init__(self) -> None:
        self._context = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)

    def restore(self, encoding: Encoding, stored: bytes, raw_bytes: int) -> bytes:
        """The chunk's raw_bytes bytes. Allocates no more than that. Raises IntegrityError."""
        if encoding is Encoding.RAW:
            return stored
        try:
            claimed = zstandard.get_frame_parameters(stored).content_size
            if claimed != raw_bytes:  # the library would allocate whatever the frame claims
                raise IntegrityError(f"a chunk of {raw_bytes} bytes claims to unpack to {claimed}")
            return self._context.decompress(stored, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise IntegrityError(f"a chunk cannot be decompressed: {error}") from error
