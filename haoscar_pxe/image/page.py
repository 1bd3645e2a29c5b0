"""Pages: the entries of a generation cut into pieces that the next generation can share.

A page is the canonical MessagePack array of its entries, stored as a chunk in a pack of kind
META. Where a page ends depends on the entries themselves (a hash of the path), so an inserted
folder moves boundaries only near it.
"""

from __future__ import annotations

import struct
from typing import Final, cast

import msgspec
from blake3 import blake3

from haoscar_pxe.errors import IntegrityError, RepositoryError
from haoscar_pxe.image.canonical import Canonical
from haoscar_pxe.image.compression import MAX_CHUNK_BYTES
from haoscar_pxe.image.entry import Entry

MIN_ENTRIES: Final = 256
MAX_ENTRIES: Final = 2048
BOUNDARY_MASK: Final = 0x1FF
"""After MIN_ENTRIES one path in 512 ends its page: 768 entries a page on average."""
FULL_BYTES: Final = 1 << 20
"""A page also ends when it has grown to this size (long extent lists, many xattrs)."""

_entries = Canonical(tuple[Entry, ...], "page")
_encoder = msgspec.msgpack.Encoder()


def is_boundary(path: bytes) -> bool:
    """Whether a page that is long enough ends with this path."""
    return not int.from_bytes(blake3(path).digest(2), "little") & BOUNDARY_MASK


class PageCutter:
    """Collects encoded entries until a page is complete."""

    def __init__(self) -> None:
        self._encoded: list[bytes] = []
        self._size_bytes = 0
        self.first = b""

    def __len__(self) -> int:
        return len(self._encoded)

    def add(self, entry: Entry) -> bool:
        """Take the next entry; True when the page ends with it.

        Raises RepositoryError for an entry larger than a chunk (a file in 700,000 pieces).
        """
        encoded = _encoder.encode(entry)
        if len(encoded) > MAX_CHUNK_BYTES - 2 * FULL_BYTES:
            raise RepositoryError(
                f"{entry.path!r} needs {len(encoded)} bytes of description, too many for a page"
            )
        if not self._encoded:
            self.first = entry.path
        self._encoded.append(encoded)
        self._size_bytes += len(encoded)
        return self._is_full() or (len(self) >= MIN_ENTRIES and is_boundary(entry.path))

    def take(self) -> bytes:
        """The page's bytes; begins the next page."""
        page = _array_header(len(self._encoded)) + b"".join(self._encoded)
        self._encoded, self._size_bytes = [], 0
        return page

    def _is_full(self) -> bool:
        return len(self) >= MAX_ENTRIES or self._size_bytes >= FULL_BYTES


def decode_page(data: bytes, where: str) -> tuple[Entry, ...]:
    """The entries of a page, 1 … MAX_ENTRIES. Raises IntegrityError."""
    if _is_too_long(data):  # 32 MiB could be millions of entries: refused before they are made
        raise IntegrityError(f"the page in {where} has more than {MAX_ENTRIES} entries")
    page = cast(tuple[Entry, ...], _entries.decode(data, where))
    if not page:
        raise IntegrityError(f"the page in {where} has no entries")
    return page


def _is_too_long(data: bytes) -> bool:
    """Whether the array's header says so; arrays of 65,536 and more begin with 0xDD."""
    if data[:1] == b"\xdc":
        return int.from_bytes(data[1:3], "big") > MAX_ENTRIES
    return data[:1] == b"\xdd"


def _array_header(count: int) -> bytes:
    """MessagePack's header of an array of count elements, in its shortest form."""
    if count < 16:
        return bytes([0x90 | count])
    return struct.pack(">BH", 0xDC, count)
