"""The delta: what generation B has and generation A lacks, compressed against what A has.

    header  44 bytes   magic "HXDELTA\\x01" (8) | size of the index u32 | BLAKE3 of the index (32)
    index              canonical MessagePack of `Index`
    blobs              of the pieces, in their order, without gaps

Little-endian. A piece is some new chunks, one after the other, as one zstd frame (RFC 8878) whose
raw-content dictionary is the piece's references, chunks of A, one after the other. Nothing in it
is signed, and nothing needs to be: the signed manifest says which chunks are wanted, and each that
a piece gives is held against its id. So a false delta can waste bytes and no more. References name
chunks of A only, never what a piece gives: there are no chains and no loops.

This module is bytes and values; `delta_making.py` chooses, `receiver.py` fetches.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, cast

import zstandard
from blake3 import blake3
from msgspec import Struct

from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.canonical import Canonical, encode
from haoscar_pxe.image.compression import MAX_CHUNK_BYTES, Encoding
from haoscar_pxe.image.entry import CHUNK_ID_BYTES

MAGIC: Final = b"HXDELTA\x01"
HEADER: Final = struct.Struct("<8sI32s")
ROW: Final = struct.Struct("<32sI")
PIECE_BYTES: Final = 4 << 20
"""A piece ends when its chunks reach this: what a broken transfer may have to repeat."""
MAX_PIECE_BYTES: Final = PIECE_BYTES + MAX_CHUNK_BYTES
REFERENCE_BYTES: Final = 8 << 20
"""References of a piece end at this; one large chunk may go beyond."""
MAX_REFERENCE_BYTES: Final = REFERENCE_BYTES + MAX_CHUNK_BYTES
MAX_INDEX_BYTES: Final = 64 << 20
"""Room for 100 GB in pieces of 64 KiB chunks; what would need more is sent as whole packs."""
WINDOW_LOG: Final = 26
"""Content and references of the largest piece together fit in 2^27; half of it must suffice."""
LEVEL: Final = 6


class DeltaTooLargeError(IntegrityError):
    """What is new is more than a delta is for; whole packs say it as well."""

    def __init__(self, what: str, size_bytes: int, most_bytes: int) -> None:
        super().__init__(f"its {what} would have {size_bytes} bytes or more, {most_bytes} may be")


@dataclass(frozen=True, slots=True)
class Sized:
    """A chunk and how many bytes it has."""

    chunk_id: bytes
    size_bytes: int


class Piece(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Some chunks as one blob.

    encoding: of the blob, as in packs. stored_bytes: of the blob; digest: its BLAKE3. chunks,
    references: rows of chunk id (32) and size u32.
    """

    encoding: int
    stored_bytes: int
    digest: bytes
    chunks: bytes
    references: bytes


class Index(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a delta consists of. older, newer: ids of the two manifests, 32 bytes."""

    older: bytes
    newer: bytes
    pieces: tuple[Piece, ...]


_index = Canonical(Index, "index")


def rows(table: bytes) -> Iterator[Sized]:
    """The rows of a table of a checked piece."""
    return (Sized(chunk_id, size) for chunk_id, size in ROW.iter_unpack(table))


def table(chunks: Iterable[Sized]) -> bytes:
    """The bytes of rows."""
    return b"".join(ROW.pack(each.chunk_id, each.size_bytes) for each in chunks)


def total_bytes(rows_of: bytes) -> int:
    """Sum of the sizes in a table."""
    return sum(size for _, size in ROW.iter_unpack(rows_of))


def encode_head(index: Index) -> bytes:
    """Header and index: the bytes before the first blob. Raises DeltaTooLargeError."""
    body = encode(index)
    if len(body) > MAX_INDEX_BYTES:
        raise DeltaTooLargeError("index", len(body), MAX_INDEX_BYTES)
    return HEADER.pack(MAGIC, len(body), blake3(body).digest()) + body


def index_size(header: bytes, where: str) -> int:
    """Bytes of the index, from the first HEADER.size bytes. Raises IntegrityError."""
    if len(header) != HEADER.size:
        raise IntegrityError(f"{where} is no delta: it has only {len(header)} bytes")
    magic, size, _ = HEADER.unpack(header)
    if magic != MAGIC:
        raise IntegrityError(f"{where} is not a delta of format 1")
    if not 0 < size <= MAX_INDEX_BYTES:
        raise IntegrityError(f"{where} claims an index of {size} bytes")
    return int(size)


def decode_index(header: bytes, body: bytes, size_bytes: int, where: str) -> Index:
    """Read header and index. size_bytes: of the whole delta. Raises IntegrityError."""
    if index_size(header, where) != len(body) or blake3(body).digest() != HEADER.unpack(header)[2]:
        raise IntegrityError(f"the index of {where} is not what its header says")
    index = cast(Index, _index.decode(body, where))
    if len(index.older) != CHUNK_ID_BYTES or len(index.newer) != CHUNK_ID_BYTES:
        raise IntegrityError(f"{where} does not name two manifests")
    for piece in index.pieces:
        _check(piece, where)
    end = HEADER.size + len(body) + sum(piece.stored_bytes for piece in index.pieces)
    if end != size_bytes:
        raise IntegrityError(f"{where} has {size_bytes} bytes, its pieces end at {end}")
    return index


def blob_offsets(index: Index, head_bytes: int) -> list[int]:
    """Where each piece's blob begins in the delta."""
    return list(accumulate((piece.stored_bytes for piece in index.pieces), initial=head_bytes))[:-1]


def compress(content: bytes, reference: bytes) -> tuple[Encoding, bytes]:
    """The blob of a piece: the smaller of the two forms."""
    packed = _compressor(len(content), reference).compress(content)
    return (Encoding.ZSTD, packed) if len(packed) < len(content) else (Encoding.RAW, content)


def restore(
    piece: Piece, blob: bytes, reference: bytes, where: str
) -> Iterator[tuple[Sized, bytes]]:
    """The piece's chunks, each held against its id. Raises IntegrityError, at once if at all.

    Allocates no more than the sizes that `decode_index` has accepted.
    """
    if len(blob) != piece.stored_bytes or blake3(blob).digest() != piece.digest:
        raise IntegrityError(f"a piece of {where} is not what its index says")
    content = _content(piece, blob, reference, where)
    at, found = 0, []
    for each in rows(piece.chunks):
        data = content[at : at + each.size_bytes]
        at += each.size_bytes
        if blake3(data).digest() != each.chunk_id:
            raise IntegrityError(f"{where} gives chunk {each.chunk_id.hex()[:12]} other bytes")
        found.append((each, data))
    return iter(found)


def _content(piece: Piece, blob: bytes, reference: bytes, where: str) -> bytes:
    if piece.encoding == Encoding.RAW:
        return blob
    wanted = total_bytes(piece.chunks)
    try:
        claimed = zstandard.get_frame_parameters(blob).content_size
        if claimed != wanted:  # the library would allocate whatever the frame claims
            raise IntegrityError(f"a piece of {where} claims {claimed} bytes for {wanted}")
        return _decompressor(reference).decompress(blob, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise IntegrityError(f"a piece of {where} cannot be decompressed: {error}") from error


def _check(piece: Piece, where: str) -> None:
    """Sizes that are possible, and no more memory than a piece may take."""
    for each, most, least in (
        (piece.chunks, MAX_PIECE_BYTES, 1),
        (piece.references, MAX_REFERENCE_BYTES, 0),
    ):
        if len(each) % ROW.size or len(each) < least:
            raise IntegrityError(f"a piece of {where} has no whole number of rows")
        sizes = [size for _, size in ROW.iter_unpack(each)]
        if sum(sizes) > most or any(not 1 <= size <= MAX_CHUNK_BYTES for size in sizes):
            raise IntegrityError(f"a piece of {where} claims {sum(sizes)} bytes")
    total = total_bytes(piece.chunks)
    if piece.encoding == Encoding.RAW:
        is_possible = piece.stored_bytes == total and not piece.references
    else:
        is_possible = piece.encoding == Encoding.ZSTD and 0 < piece.stored_bytes < total
    if not is_possible or len(piece.digest) != CHUNK_ID_BYTES:
        raise IntegrityError(f"a piece of {where} claims {piece.stored_bytes} bytes for {total}")


def _dictionary(reference: bytes) -> zstandard.ZstdCompressionDict | None:
    # Shorter than 8 bytes is no dictionary for zstd.
    if len(reference) < 8:
        return None
    return zstandard.ZstdCompressionDict(reference, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def _compressor(content_bytes: int, reference: bytes) -> zstandard.ZstdCompressor:
    window_log = max(17, min(WINDOW_LOG, (content_bytes + len(reference)).bit_length()))
    parameters = zstandard.ZstdCompressionParameters.from_level(
        LEVEL,
        window_log=window_log,
        hash_log=min(window_log, 22),
        chain_log=min(window_log, 23),
        enable_ldm=len(reference) > (1 << 20),
    )
    dictionary = _dictionary(reference)
    if dictionary is None:
        return zstandard.ZstdCompressor(compression_params=parameters)
    return zstandard.ZstdCompressor(dict_data=dictionary, compression_params=parameters)


def _decompressor(reference: bytes) -> zstandard.ZstdDecompressor:
    dictionary = _dictionary(reference)
    most = 1 << WINDOW_LOG
    if dictionary is None:
        return zstandard.ZstdDecompressor(max_window_size=most)
    return zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=most)
