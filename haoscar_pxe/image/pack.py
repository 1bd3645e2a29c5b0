"""The pack: many chunks in one immutable file, named by the BLAKE3 of its whole content.

    header  16 bytes   magic "HXPACK\\r\\n" | version u16 | kind u16 | zero u32
    blobs              each chunk's stored bytes, one after the other, no gaps
    index   45 a row   chunk id (32) | offset u32 | stored size u32 | raw size u32 | encoding u8
    footer  56 bytes   index offset u64 | index size u64 | BLAKE3 of the index (32) | "HXPACKED"

Little-endian; rows ascend by chunk id. One read of the tail finds everything, so a pack can lie
behind any server of byte ranges. This module is bytes and values; `store.py` fetches them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from blake3 import blake3

from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.compression import MAX_CHUNK_BYTES, Encoding

VERSION: Final = 1
HEADER: Final = struct.Struct("<8sHHI")
ROW: Final = struct.Struct("<32sIIIB")
FOOTER: Final = struct.Struct("<QQ32s8s")
HEADER_MAGIC: Final = b"HXPACK\r\n"
FOOTER_MAGIC: Final = b"HXPACKED"

TARGET_BYTES: Final = 32 << 20
"""A pack is closed once its blobs reach this; the last of a generation is smaller."""
MAX_PACK_BYTES: Final = TARGET_BYTES + MAX_CHUNK_BYTES + (16 << 20)
MAX_ROWS: Final = 200_000
"""Rows of a pack: 9 MB of index, so that parsing a hostile one stays cheap."""


class Kind(IntEnum):
    """What the chunks of a pack are; a pack holds one kind."""

    DATA = 0
    META = 1
    SEALED = 2
    """Sealed boxes (`sealing.py`), stored as they are."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where a chunk's stored bytes are in its pack, and how they become the chunk."""

    offset_bytes: int
    stored_bytes: int
    raw_bytes: int
    encoding: Encoding


@dataclass(frozen=True, slots=True)
class PackIndex:
    """The index of one pack, validated; table: its rows as they are in the file."""

    pack_id: str
    size_bytes: int
    table: bytes

    def __len__(self) -> int:
        return len(self.table) // ROW.size

    def chunk_ids(self) -> Iterator[bytes]:
        """Ids in the order of the rows."""
        return (row[0] for row in ROW.iter_unpack(self.table))

    def location(self, row: int) -> Location:
        """The chunk of a row, 0 … len - 1."""
        _, offset, stored, raw, encoding = ROW.unpack_from(self.table, row * ROW.size)
        return Location(offset, stored, raw, Encoding(encoding))

    @property
    def blobs_end(self) -> int:
        """Offset of the first byte after the last blob."""
        return self.size_bytes - FOOTER.size - len(self.table)


def encode_header(kind: Kind) -> bytes:
    """The first 16 bytes of a pack."""
    return HEADER.pack(HEADER_MAGIC, VERSION, kind, 0)


def encode_tail(rows: dict[bytes, Location], blobs_end: int) -> bytes:
    """Index and footer of a pack whose blobs end at blobs_end."""
    table = b"".join(
        ROW.pack(chunk_id, at.offset_bytes, at.stored_bytes, at.raw_bytes, at.encoding)
        for chunk_id, at in sorted(rows.items())
    )
    return table + FOOTER.pack(blobs_end, len(table), blake3(table).digest(), FOOTER_MAGIC)


def decode_header(header: bytes, pack_id: str) -> Kind:
    """The pack's kind. Raises IntegrityError."""
    if len(header) < HEADER.size:
        raise _refused(pack_id, f"it has only {len(header)} bytes")
    magic, version, kind, zero = HEADER.unpack_from(header)
    if magic != HEADER_MAGIC or zero != 0:
        raise _refused(pack_id, "it does not begin as a pack")
    if version != VERSION:
        raise _refused(pack_id, f"it has version {version}, this program reads {VERSION}")
    if kind not in tuple(Kind):
        raise _refused(pack_id, f"its kind {kind} is unknown")
    return Kind(kind)


def index_size(footer: bytes, pack_id: str, size_bytes: int) -> int:
    """Bytes of the index, from the pack's last FOOTER.size bytes. Raises IntegrityError."""
    if len(footer) != FOOTER.size or size_bytes < HEADER.size + ROW.size + FOOTER.size:
        raise _refused(pack_id, f"{size_bytes} bytes are too few for a pack")
    if size_bytes > MAX_PACK_BYTES:
        raise _refused(pack_id, f"{size_bytes} bytes are more than a pack may have")
    offset, size, _, magic = FOOTER.unpack(footer)
    if magic != FOOTER_MAGIC:
        raise _refused(pack_id, "it does not end as a pack")
    if offset + size + FOOTER.size != size_bytes or offset <= HEADER.size:
        raise _refused(pack_id, f"its index cannot be {size} bytes at {offset} of {size_bytes}")
    if size % ROW.size or not 0 < size <= MAX_ROWS * ROW.size:
        raise _refused(pack_id, f"its index of {size} bytes is no whole number of rows")
    return int(size)


def decode_tail(tail: bytes, pack_id: str, size_bytes: int) -> PackIndex:
    """Read index and footer: tail is exactly these. Raises IntegrityError on anything odd."""
    footer = tail[-FOOTER.size :]
    expected = index_size(footer, pack_id, size_bytes)
    table = tail[: -FOOTER.size]
    if len(table) != expected or blake3(table).digest() != FOOTER.unpack(footer)[2]:
        raise _refused(pack_id, "its index is not what its footer says")
    index = PackIndex(pack_id, size_bytes, table)
    _check_rows(index)
    return index


def _check_rows(index: PackIndex) -> None:
    """Rows ascend, sizes are possible, and the blobs fill the pack without gap or overlap."""
    before = b""
    spans = []
    for chunk_id, offset, stored, raw, encoding in ROW.iter_unpack(index.table):
        if not chunk_id > before:
            raise _refused(index.pack_id, "its index is not in order")
        if not 1 <= raw <= MAX_CHUNK_BYTES or not fits(encoding, stored, raw):
            raise _refused(index.pack_id, f"a chunk claims {stored} bytes for {raw}")
        before = chunk_id
        spans.append((offset, stored))
    end = HEADER.size
    for offset, stored in sorted(spans):
        if offset != end:
            raise _refused(index.pack_id, f"its chunks leave a gap or overlap at {end}")
        end = offset + stored
    if end != index.blobs_end:
        raise _refused(index.pack_id, f"its chunks end at {end}, not at {index.blobs_end}")


def fits(encoding: int, stored: int, raw: int) -> bool:
    """Whether a pack may hold raw bytes of content in stored bytes, so encoded."""
    if encoding == Encoding.RAW:
        return bool(stored == raw)
    return encoding == Encoding.ZSTD and 0 < stored < raw


def _refused(pack_id: str, reason: str) -> IntegrityError:
    return IntegrityError(
        f"pack {pack_id[:12]} is refused: {reason}",
        hint="'haoscar-pxe image verify --repair' takes it out and keeps what is good of it",
    )
