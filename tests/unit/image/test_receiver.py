"""Chunks of a generation for somebody who holds another one."""

from __future__ import annotations

from pathlib import Path

import pytest
from blake3 import blake3

from haoscar_pxe.errors import IntegrityError, StorageError
from haoscar_pxe.image.reader import ChunkMissingError, ChunkReader, entries
from haoscar_pxe.image.receiver import Delta, Receiver, held_by
from tests.unit.image.deltas import BytesBlob, FileBlob, Pair, make_pair, noise


def _before(tree: Path) -> None:
    (tree / "log").write_bytes(noise("log", 300_000))
    (tree / "large").write_bytes(noise("large", 12_000_000))
    (tree / "libfoo.so.1.2.3").write_bytes(noise("library", 200_000))
    for number in range(30):
        (tree / f"small-{number}").write_bytes(noise(f"small {number}", 2_000))


def _after(tree: Path) -> None:
    with (tree / "log").open("ab") as log:
        log.write(noise("appended", 1_000))
    with (tree / "large").open("r+b") as large:
        large.seek(6_000_000)
        large.write(noise("edit", 5_000))
    (tree / "libfoo.so.1.2.3").rename(tree / "libfoo.so.1.2.4")
    with (tree / "libfoo.so.1.2.4").open("r+b") as library:
        library.write(b"other")
    for number in range(10):
        (tree / f"small-{number}").write_bytes(noise(f"small {number}", 2_000) + b"more")
    (tree / "new").write_bytes(noise("new", 3_000))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("pair"), _before, _after)


def test_every_chunk_that_is_lacking_comes_once_and_is_true(pair: Pair) -> None:
    received = list(pair.receiver().receive(pair.wanted()))
    assert {chunk_id for chunk_id, _ in received} == pair.wanted()
    assert len(received) == len(pair.wanted())
    assert all(blake3(data).digest() == chunk_id for chunk_id, data in received)


def test_what_resembles_old_content_costs_next_to_nothing(pair: Pair) -> None:
    """1,000 appended, 5,000 edited, 3,000 new and 45 changed bytes that do not compress."""
    receiver = pair.receiver()
    for _ in receiver.receive(pair.wanted()):
        pass
    assert receiver.fetched_bytes == sum(p.stored_bytes for p in pair.delta().index.pieces)
    assert 9_000 < receiver.fetched_bytes < 12_000


def test_nothing_is_fetched_whole_where_a_delta_is_whole(pair: Pair) -> None:
    def none() -> ChunkReader:
        raise AssertionError("packs were opened")

    receiver = Receiver(pair.held(), pair.delta(), none)
    assert len(list(receiver.receive(pair.wanted()))) == len(pair.wanted())


def test_without_a_delta_chunks_come_from_packs(pair: Pair) -> None:
    receiver = Receiver(pair.held(), None, pair.chunks)
    assert {chunk_id for chunk_id, _ in receiver.receive(pair.wanted())} == pair.wanted()
    assert receiver.fetched_bytes == 0


def test_chunks_and_pages_can_be_asked_for_in_any_order(pair: Pair) -> None:
    receiver = pair.receiver()
    for chunk_id in sorted(pair.wanted()):
        assert blake3(receiver.chunk(chunk_id)).digest() == chunk_id
    whole = pair.receiver()
    assert list(entries(pair.newer, whole)) == list(entries(pair.newer, pair.chunks()))


def test_a_reference_that_was_changed_here_does_no_harm(pair: Pair) -> None:
    held = pair.held()

    def changed(chunk_id: bytes) -> bytes | None:
        data = held(chunk_id)
        return None if data is None else data[:-1] + b"?"

    for each in (changed, lambda _: None):
        received = dict(pair.receiver(each).receive(pair.wanted()))
        assert received.keys() == pair.wanted()
        assert all(blake3(data).digest() == chunk_id for chunk_id, data in received.items())


def test_a_delta_with_any_wrong_byte_still_gives_nothing_but_the_truth(pair: Pair) -> None:
    true = pair.path.read_bytes()
    refused = 0
    for at in range(0, len(true), 211):
        wrong = bytearray(true)
        wrong[at] ^= 1
        try:
            delta = Delta(BytesBlob(bytes(wrong)), "the delta", pair.older, pair.newer)
        except IntegrityError:
            refused += 1
            continue
        received = dict(pair.receiver(delta=delta).receive(pair.wanted()))
        assert received.keys() == pair.wanted()
        assert all(blake3(data).digest() == chunk_id for chunk_id, data in received.items())
    assert refused > 0


def test_a_delta_of_other_generations_is_refused(pair: Pair) -> None:
    with pytest.raises(IntegrityError, match="two other generations"):
        Delta(FileBlob(pair.path), "the delta", pair.newer, pair.older)


def test_a_chunk_that_nobody_has_is_named(pair: Pair) -> None:
    with pytest.raises(ChunkMissingError):
        list(pair.receiver().receive([bytes(32)]))


def test_a_blob_that_cannot_be_read_is_done_without(pair: Pair) -> None:
    class Broken(BytesBlob):
        def read(self, offset_bytes: int, size_bytes: int) -> bytes:
            if offset_bytes > 0:
                raise StorageError("gone")
            return super().read(offset_bytes, size_bytes)

    delta = Delta(Broken(pair.path.read_bytes()), "the delta", pair.older, pair.newer)
    assert dict(pair.receiver(delta=delta).receive(pair.wanted())).keys() == pair.wanted()


def test_a_chunk_that_is_damaged_here_counts_as_not_held(pair: Pair) -> None:
    class Damaged(ChunkReader):
        def chunk(self, chunk_id: bytes) -> bytes:
            raise IntegrityError("damaged")

    wanted = next(iter(pair.wanted()))
    assert held_by(Damaged(pair.repository.store))(wanted) is None
    assert held_by(pair.chunks())(bytes(32)) is None
    assert held_by(pair.chunks())(wanted) is not None
