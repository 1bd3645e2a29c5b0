"""Whoever compresses, chunks come back in the order they came, and nothing is lost."""

from __future__ import annotations

import random
import threading
from itertools import chain

import pytest

from haoscar_pxe.image.compressing import BATCH_BYTES, UNDER_WAY_MAX, Compressed, Compressing
from haoscar_pxe.image.compression import Decompressor


def some_chunks(count: int) -> list[bytes]:
    chance = random.Random(7)
    return [chance.randbytes(chance.randrange(1, 4000)) * 20 for _ in range(count)]


def back(chunk: Compressed) -> bytes:
    return Decompressor().restore(chunk.encoding, chunk.stored, chunk.raw_bytes)


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_chunks_come_back_in_their_order(threads: int) -> None:
    chunks = some_chunks(2000)
    compressing = Compressing(threads)
    found: list[Compressed] = []
    for number, data in enumerate(chunks):
        found += chain.from_iterable(compressing.put(b"%d" % number, data))
    found += chain.from_iterable(compressing.rest())
    compressing.stop()
    assert [chunk.chunk_id for chunk in found] == [b"%d" % n for n in range(len(chunks))]
    assert [back(chunk) for chunk in found] == chunks


def test_what_is_under_way_is_bounded() -> None:
    compressing = Compressing(1)
    given = taken = 0
    for data in some_chunks(3000):
        given += len(data)
        ready = chain.from_iterable(compressing.put(b"", data))
        taken += sum(chunk.raw_bytes for chunk in ready)
        assert given - taken <= (UNDER_WAY_MAX + 2) * (BATCH_BYTES + len(data))
    compressing.stop()


def test_no_thread_is_left_when_it_stops() -> None:
    compressing = Compressing(2)
    for data in some_chunks(500):
        list(compressing.put(b"", data))
    compressing.stop()
    assert not [each for each in threading.enumerate() if each.name.startswith("compress")]
