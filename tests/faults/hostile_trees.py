"""Generations that no honest writer makes: what they hold, and that none of it is laid down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, TypeAlias

import msgspec
import zstandard
from blake3 import blake3

from haoscar_pxe.image.canonical import encode
from haoscar_pxe.image.compression import MAX_CHUNK_BYTES, Encoding
from haoscar_pxe.image.entry import (
    Device,
    Directory,
    Entry,
    Extent,
    File,
    HardLink,
    Metadata,
    Symlink,
)
from haoscar_pxe.image.manifest import PageRef
from haoscar_pxe.image.pack import FOOTER, FOOTER_MAGIC, MAX_ROWS, ROW, Kind, encode_header
from tests.faults.forgery import META, ROOT, ForgedPack, Forgery

Forging: TypeAlias = Callable[[Forgery], None]

DATA: Final = b"content"
ID: Final = blake3(DATA).digest()
WHOLE: Final = (Extent(0, len(DATA), ID),)


def file(path: bytes) -> File:
    """A good file."""
    return File(path, META, len(DATA), WHOLE)


def _with_meta(**changes: int) -> File:
    meta = msgspec.structs.replace(META, **changes)
    return File(b"a", meta, len(DATA), WHOLE)


TREES: Final[dict[str, list[Entry]]] = {
    "path with ..": [ROOT, file(b"../outside")],
    "path with .. inside": [ROOT, Directory(b"a", META), file(b"a/../../outside")],
    "absolute path": [ROOT, file(b"/outside")],
    "path of a dot": [ROOT, file(b".")],
    "path with empty name": [ROOT, Directory(b"a", META), file(b"a//b")],
    "path with NUL": [ROOT, file(b"a\0b")],
    "name of 256 bytes": [ROOT, file(b"a" * 256)],
    "path of 70,000 bytes": [ROOT, file(b"/".join([b"a"] * 35_000))],
    "duplicate": [ROOT, file(b"a"), file(b"a")],
    "root twice": [ROOT, ROOT],
    "no root": [file(b"a")],
    "root is a symlink": [Symlink(b"", META, b"/")],
    "not in order": [ROOT, file(b"b"), file(b"a")],
    "no parent": [ROOT, file(b"a/b")],
    "file as a parent": [ROOT, file(b"a"), file(b"a/b")],
    "symlink, then a file through it": [
        ROOT,
        Symlink(b"a", META, b"../outside"),
        file(b"a/b"),
    ],
    "hard link to itself": [ROOT, HardLink(b"a", b"a")],
    "hard links in a circle": [ROOT, HardLink(b"a", b"b"), HardLink(b"b", b"a")],
    "hard link to a hard link": [ROOT, file(b"a"), HardLink(b"b", b"a"), HardLink(b"c", b"b")],
    "hard link to a folder": [ROOT, Directory(b"a", META), HardLink(b"b", b"a")],
    "hard link out of the tree": [ROOT, HardLink(b"b", b"../outside")],
    "hard link to nothing": [ROOT, HardLink(b"b", b"a")],
    "hard link through a symlink": [
        ROOT,
        Symlink(b"a", META, b".."),
        HardLink(b"b", b"a/outside"),
    ],
    "size 2^63": [ROOT, File(b"a", META, 2**63, WHOLE)],
    "size 2^64 - 1": [ROOT, File(b"a", META, 2**64 - 1, WHOLE)],
    "size -1": [ROOT, File(b"a", META, -1, ())],
    "size below the content": [ROOT, File(b"a", META, 3, WHOLE)],
    "extent at 2^63 - 1": [ROOT, File(b"a", META, 2**63 - 1, (Extent(2**63 - 1, 7, ID),))],
    "extent at -1": [ROOT, File(b"a", META, 7, (Extent(-1, 7, ID),))],
    "extents that overlap": [ROOT, File(b"a", META, 20, (*WHOLE, Extent(3, 7, ID)))],
    "extent of another size": [ROOT, File(b"a", META, 9, (Extent(0, 9, ID),))],
    "extent of no bytes": [ROOT, File(b"a", META, 9, (Extent(0, 0, ID),))],
    "chunk that is nowhere": [ROOT, File(b"a", META, 7, (Extent(0, 7, bytes(32)),))],
    "chunk id of 31 bytes": [ROOT, File(b"a", META, 7, (Extent(0, 7, ID[:31]),))],
    "mode with a type": [ROOT, _with_meta(mode=0o120777)],
    "mode 2^63": [ROOT, _with_meta(mode=2**63)],
    "owner 2^32 - 1": [ROOT, _with_meta(uid=2**32 - 1)],
    "owner -1": [ROOT, _with_meta(gid=-1)],
    "symlink to nothing": [ROOT, Symlink(b"a", META, b"")],
    "symlink of 5,000 bytes": [ROOT, Symlink(b"a", META, b"a" * 5000)],
    "device 2^32": [ROOT, Device(b"a", META, True, 2**32, 0)],
    "xattr twice": [ROOT, File(b"a", Metadata(0, 0, 0, 0, ((b"user.a", b""),) * 2), 0)],
}


def hostile_generations() -> Iterator[tuple[str, Forging]]:
    """Every forged generation by its name. All must be refused."""
    for name, entries in TREES.items():
        yield name, partial(_put_tree, entries)
    yield from {**PAGES, **BOMBS, **PACKS, **MANIFESTS}.items()


def _put_tree(entries: list[Entry], forgery: Forgery) -> None:
    forgery.put_entries(entries, DATA)


def many_small(count: int) -> list[Entry]:
    """One folder with this many files: large, but nothing to refuse."""
    return [ROOT, *(File(b"%07d" % number, META, 0) for number in range(count))]


PAGES: Final[dict[str, Forging]] = {
    "page of four billion entries": lambda f: f.put_page(b"\xdd\xff\xff\xff\xff", 1),
    "page of four million links": lambda f: f.put_page(
        b"\xdd" + (4_000_000).to_bytes(4, "big") + encode(HardLink(b"", b"")) * 4_000_000, 4_000_000
    ),
    "page of a million arrays in arrays": lambda f: f.put_page(b"\x91" * 1_000_000, 1),
    "page with nothing in it": lambda f: f.put_page(b"\x90", 1),
    "page of zeros": lambda f: f.put_page(bytes(1 << 20), 1),
    "page that counts otherwise": lambda f: f.put_page(_root_page(), 2),
    "page with a longer integer than needed": lambda f: f.put_page(
        _root_page().replace(b"\xcd\x01\xed", b"\xce\x00\x00\x01\xed"), 1
    ),
    "page with bytes after it": lambda f: f.put_page(_root_page() + b"\0", 1),
}


def _root_page() -> bytes:
    return encode((ROOT,))


def _bomb(stored: bytes, raw_bytes: int) -> Forging:
    def forging(forgery: Forgery) -> None:
        pack = ForgedPack(Kind.META)
        page = _root_page()
        chunk_id = pack.add(page, stored=stored, encoding=Encoding.ZSTD, raw_bytes=raw_bytes)
        forgery.put_pack(pack.encode())
        forgery.put_manifest([PageRef(b"", chunk_id, 1)])

    return forging


def _frame(size_bytes: int, *, says_size: bool = True) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(1, write_content_size=says_size)
    packer = zstandard.ZstdCompressor(compression_params=parameters)
    if size_bytes <= MAX_CHUNK_BYTES:
        return packer.compress(bytes(size_bytes))
    stream = packer.compressobj(size=size_bytes if says_size else -1)
    pieces = (stream.compress(bytes(1 << 20)) for _ in range(size_bytes >> 20))
    return b"".join(pieces) + stream.flush()


BOMBS: Final[dict[str, Forging]] = {
    "bomb of 1 GiB that says so": lambda f: _bomb(_frame(1 << 30), MAX_CHUNK_BYTES)(f),
    "bomb of 1 GiB without a size": lambda f: _bomb(
        _frame(1 << 30, says_size=False), MAX_CHUNK_BYTES
    )(f),
    "bomb of 32 MiB of zeros": lambda f: _bomb(_frame(MAX_CHUNK_BYTES), MAX_CHUNK_BYTES)(f),
    "bomb in a row that says 2^32 - 1": lambda f: _bomb(_frame(1 << 20), 2**32 - 1)(f),
    "two frames in one chunk": lambda f: _bomb(_frame(1 << 20) * 2, 1 << 20)(f),
    "frame that is cut": lambda f: _bomb(_frame(1 << 20)[:-3], 1 << 20)(f),
    "frame of a size that is not its own": lambda f: _bomb(_frame(1 << 20), 1 << 19)(f),
}


def _raw_pack(table: bytes, offset: int, size: int, *, blobs: bytes = b"x") -> Forging:
    def forging(forgery: Forgery) -> None:
        footer = FOOTER.pack(offset, size, blake3(table).digest(), FOOTER_MAGIC)
        forgery.put_pack(encode_header(Kind.META) + blobs + table + footer)
        forgery.put_manifest([PageRef(b"", blake3(b"x").digest(), 1)])

    return forging


def _row(offset: int, stored: int, raw: int, encoding: int = 0) -> bytes:
    return ROW.pack(blake3(b"x").digest(), offset, stored, raw, encoding)


PACKS: Final[dict[str, Forging]] = {
    "index at 2^63": _raw_pack(_row(16, 1, 1), 2**63, ROW.size),
    "index of 2^63 bytes": _raw_pack(_row(16, 1, 1), 17, 2**63),
    "index that wraps around": _raw_pack(_row(16, 1, 1), 2**64 - 40, 102),
    "index of too many rows": _raw_pack(
        bytes(ROW.size) * (MAX_ROWS + 1), 17, ROW.size * (MAX_ROWS + 1)
    ),
    "rows that are all the same": _raw_pack(_row(16, 1, 1) * 1000, 17, ROW.size * 1000),
    "chunk outside of its pack": _raw_pack(_row(2**32 - 1, 1, 1), 17, ROW.size),
    "chunk of 2^32 - 1 bytes": _raw_pack(_row(16, 2**32 - 1, 2**32 - 1), 17, ROW.size),
    "chunk over the footer": _raw_pack(_row(16, 100, 100), 17, ROW.size),
    "chunk that grows when unpacked to less": _raw_pack(_row(16, 1, 1, 1), 17, ROW.size),
    "encoding 255": _raw_pack(_row(16, 1, 1, 255), 17, ROW.size),
    "chunk that is another": lambda f: _raw_pack(_row(16, 1, 1), 17, ROW.size, blobs=b"y")(f),
}

MANIFESTS: Final[dict[str, Forging]] = {
    "manifest of no pages": lambda f: f.put_manifest([]),
    "manifest of 2^63 entries": lambda f: f.put_manifest([PageRef(b"", ID, 2**63)]),
    "manifest whose pages do not add up": lambda f: f.put_manifest(
        [PageRef(b"", ID, 1)], entry_count=2
    ),
    "manifest of -1 entries": lambda f: f.put_manifest([PageRef(b"", ID, -1)]),
    "manifest of another format": lambda f: f.put_manifest([PageRef(b"", ID, 1)], format=2),
    "manifest of another image": lambda f: f.put_manifest([PageRef(b"", ID, 1)], image="other"),
    "manifest of another generation": lambda f: f.put_manifest([PageRef(b"", ID, 1)], generation=2),
    "manifest of pages out of order": lambda f: f.put_manifest(
        [PageRef(b"", ID, 1), PageRef(b"b", ID, 1), PageRef(b"a", ID, 1)]
    ),
    "manifest whose page is no page": lambda f: _put_no_page(f),
}


def _put_no_page(forgery: Forgery) -> None:
    pack = ForgedPack(Kind.META)
    pack.add(DATA)
    forgery.put_pack(pack.encode())
    forgery.put_manifest([PageRef(b"", ID, 1)])
