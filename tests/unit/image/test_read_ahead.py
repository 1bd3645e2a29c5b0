"""Reading ahead changes nothing of what is read, and ends when nobody listens any more."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.entry import Directory, Entry, Extent, Fifo, File, Metadata
from haoscar_pxe.image.read_ahead import BATCH_BYTES, BATCH_ITEMS, BATCHES_MAX, ReadAhead
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.repository import Repository

META = Metadata(0o644, 0, 0, 0)


@pytest.fixture
def chunks(tmp_path: Path) -> ChunkReader:
    return ChunkReader(Repository.create(tmp_path / "repository").store)


def fifos(count: int) -> Iterator[Entry]:
    return (Fifo(b"%09d" % number, META) for number in range(count))


def is_reading() -> bool:
    return any(thread.name == "read ahead" for thread in threading.enumerate())


def test_entries_come_in_their_order_across_batches(chunks: ChunkReader) -> None:
    wanted = list(fifos(3 * BATCH_ITEMS + 1))
    with ReadAhead(iter(wanted), chunks) as ahead:
        assert list(ahead.entries()) == wanted
    assert not is_reading()


def test_an_error_comes_up_after_what_was_before_it(chunks: ChunkReader) -> None:
    lost = File(b"lost", META, 5, (Extent(0, 5, bytes(32)),))
    with ReadAhead([Directory(b"", META), lost], chunks) as ahead:
        seen = ahead.entries()
        assert next(seen) == Directory(b"", META)
        assert next(seen) == lost
        with pytest.raises(IntegrityError):
            list(ahead.content(lost))
    assert not is_reading()


def test_it_stops_reading_when_the_block_is_left(chunks: ChunkReader) -> None:
    asked: list[Entry] = []

    def endless() -> Iterator[Entry]:
        for entry in fifos(1 << 30):
            asked.append(entry)
            yield entry

    with ReadAhead(endless(), chunks) as ahead:
        next(ahead.entries())
    assert not is_reading()
    assert len(asked) <= (BATCHES_MAX + 3) * BATCH_ITEMS
    assert BATCHES_MAX * BATCH_BYTES <= 16 << 20
