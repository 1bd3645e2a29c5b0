"""The pack's bytes: what was written comes back, everything else is refused in bounded time."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.chunk_index import ChunkIndex
from haoscar_pxe.image.compression import MAX_CHUNK_BYTES, Compressor, Decompressor, Encoding
from haoscar_pxe.image.pack import (
    FOOTER,
    FOOTER_MAGIC,
    HEADER,
    MAX_PACK_BYTES,
    ROW,
    Kind,
    Location,
    decode_header,
    decode_tail,
    encode_header,
    encode_tail,
    index_size,
)
from haoscar_pxe.image.pack_writer import PackWriter
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.store import TAIL_BYTES, FolderStore, read_index

PACK_ID = "ab" * 32
CHUNKS = [b"first" * 100, b"second", bytes(range(256)) * 300]


def rows_of(chunks: list[bytes]) -> dict[bytes, Location]:
    """Rows of a pack that holds these as they are."""
    rows, end = {}, HEADER.size
    for chunk in chunks:
        rows[blake3(chunk).digest()] = Location(end, len(chunk), len(chunk), Encoding.RAW)
        end += len(chunk)
    return rows


def pack_of(chunks: list[bytes], kind: Kind = Kind.DATA) -> bytes:
    blobs = encode_header(kind) + b"".join(chunks)
    return blobs + encode_tail(rows_of(chunks), len(blobs))


def tail_of(table: bytes, size_bytes: int, offset: int | None = None) -> bytes:
    """A tail whose hash is right, whatever its table says."""
    offset = size_bytes - FOOTER.size - len(table) if offset is None else offset
    return table + FOOTER.pack(offset, len(table), blake3(table).digest(), FOOTER_MAGIC)


def decode(pack: bytes) -> list[bytes]:
    """Read a whole pack as a verifier does."""
    decode_header(pack[: HEADER.size], PACK_ID)
    index_bytes = index_size(pack[-FOOTER.size :], PACK_ID, len(pack))
    index = decode_tail(pack[len(pack) - index_bytes - FOOTER.size :], PACK_ID, len(pack))
    found = []
    for row, chunk_id in enumerate(index.chunk_ids()):
        at = index.location(row)
        stored = pack[at.offset_bytes : at.offset_bytes + at.stored_bytes]
        data = Decompressor().restore(at.encoding, stored, at.raw_bytes)
        assert blake3(data).digest() == chunk_id
        found.append(data)
    return found


def test_a_pack_is_laid_out_as_documented() -> None:
    """docs/repository.md, byte by byte, for one chunk of two bytes."""
    chunk_id = blake3(b"hi").digest()
    table = chunk_id + struct.pack("<III", 16, 2, 2) + b"\0"
    assert pack_of([b"hi"]) == (
        b"HXPACK\r\n" + struct.pack("<HHI", 1, 0, 0) + b"hi" + table
        + struct.pack("<QQ", 18, 45) + blake3(table).digest() + b"HXPACKED"
    )  # fmt: skip


@given(st.lists(st.binary(min_size=1, max_size=500), min_size=1, unique=True))
def test_what_goes_into_a_pack_comes_out(chunks: list[bytes]) -> None:
    assert sorted(decode(pack_of(chunks))) == sorted(chunks)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_pack_or_refused(noise: bytes) -> None:
    with pytest.raises(IntegrityError):
        decode(noise)


@given(st.binary(max_size=300), st.integers(0, 2**64 - 1), st.integers(0, MAX_PACK_BYTES))
def test_any_index_with_a_right_hash_is_an_index_or_refused(
    table: bytes, offset: int, size_bytes: int
) -> None:
    with pytest.raises(IntegrityError):
        decode_tail(tail_of(table, size_bytes, offset), PACK_ID, size_bytes)


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_is_found(bit: int) -> None:
    good = pack_of([b"some", b"chunks"])
    for position in range(len(good)):
        damaged = bytearray(good)
        damaged[position] ^= 1 << bit
        try:
            found = decode(bytes(damaged))
        except (IntegrityError, AssertionError):
            continue
        assert position in range(10, 12), "only the kind may change, and the pack's hash shows it"
        assert len(found) == 2


def row(chunk_id: int, offset: int, stored: int, raw: int, encoding: int = 0) -> bytes:
    return ROW.pack(bytes([chunk_id] * 32), offset, stored, raw, encoding)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (row(2, 16, 5, 5) + row(1, 21, 5, 5), "not in order"),
        (row(1, 16, 5, 5) + row(1, 21, 5, 5), "not in order"),
        (row(1, 16, 5, 5) + row(2, 22, 4, 4), "gap or overlap"),
        (row(1, 16, 5, 5) + row(2, 20, 6, 6), "gap or overlap"),
        (row(1, 17, 4, 4) + row(2, 21, 5, 5), "gap or overlap"),
        (row(1, 16, 5, 5) + row(2, 21, 4, 4), "end at 25"),
        (row(1, 16, 5, 6) + row(2, 21, 5, 5), "claims 5 bytes for 6"),
        (row(1, 16, 5, 5, 1) + row(2, 21, 5, 5), "claims 5 bytes for 5"),
        (row(1, 16, 5, 2**32 - 1, 1) + row(2, 21, 5, 5), "claims"),
        (row(1, 16, 5, 9, 2) + row(2, 21, 5, 5), "claims"),
        (row(1, 16, 0, 0) + row(2, 16, 10, 10), "claims"),
    ],
)
def test_impossible_rows_are_refused(table: bytes, reason: str) -> None:
    size_bytes = 26 + len(table) + FOOTER.size
    with pytest.raises(IntegrityError, match=reason):
        decode_tail(tail_of(table, size_bytes), PACK_ID, size_bytes)


def test_sizes_beyond_any_pack_are_refused_before_anything_is_read() -> None:
    footer = FOOTER.pack(2**63, 2**63, bytes(32), FOOTER_MAGIC)
    with pytest.raises(IntegrityError, match="more than a pack"):
        index_size(footer, PACK_ID, 2**63)
    with pytest.raises(IntegrityError, match="cannot be"):
        index_size(footer, PACK_ID, 1 << 20)


def test_a_bomb_is_not_unpacked() -> None:
    [(_, bomb)] = Compressor().store_all([bytes(MAX_CHUNK_BYTES)])
    assert len(bomb) < 10_000
    with pytest.raises(IntegrityError, match="claims to unpack"):
        Decompressor().restore(Encoding.ZSTD, bomb, 100)


@given(st.binary(max_size=200))
def test_any_bytes_decompress_to_the_size_or_are_refused(noise: bytes) -> None:
    with suppress(IntegrityError):
        assert len(Decompressor().restore(Encoding.ZSTD, noise, 50)) == 50


@given(st.binary(min_size=1, max_size=5000))
def test_compression_comes_back_and_never_grows(data: bytes) -> None:
    [(encoding, stored)] = Compressor().store_all([data])
    assert len(stored) <= len(data)
    assert Decompressor().restore(encoding, stored, len(data)) == data


def test_a_pack_whose_index_is_longer_than_the_tail_read_is_opened(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "packs")
    store.path.mkdir()
    writer = PackWriter(tmp_path, Kind.DATA)
    chunks = [b"%d" % number for number in range(TAIL_BYTES // ROW.size * 2)]
    for chunk in chunks:
        writer.add(blake3(chunk).digest(), chunk)
    writer.close()
    writer.publish(store)
    (pack_id,) = store.pack_ids()
    assert len(read_index(store, pack_id)) == len(chunks)
    reader = ChunkReader(store)
    assert all(reader.chunk(blake3(chunk).digest()) == chunk for chunk in chunks)


def test_a_damaged_pack_is_left_out_and_the_others_serve(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for chunk in CHUNKS:
        pack = pack_of([chunk])
        path = store.pack_path(blake3(pack).hexdigest())
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pack)
    damaged = store.pack_path(blake3(pack_of([CHUNKS[0]])).hexdigest())
    damaged.write_bytes(damaged.read_bytes()[:-1])
    index = ChunkIndex.of(store, store.pack_ids())
    assert [blake3(chunk).digest() in index for chunk in CHUNKS] == [False, True, True]
    assert len(index.left_out) == 1
