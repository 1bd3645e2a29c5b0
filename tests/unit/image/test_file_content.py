"""A file is streamed as it was, and compared with another by its bytes alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.entry import Extent, File
from haoscar_pxe.image.file_content import ZERO_BYTES, is_same_content, stream
from haoscar_pxe.image.reader import ChunkReader, entries
from haoscar_pxe.image.repository import Repository
from tests.unit.image.counting_reader import CountingReader
from tests.unit.image.generations import META, TRUSTED, store_entries
from tests.unit.image.tree_reading import store_tree

GIB = 1 << 30


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository that holds every string of one to four zeros and ones as a chunk."""
    repository = Repository.create(tmp_path_factory.mktemp("letters"))
    strings = [bytes(map(int, f"{n:b}"[1:])) for n in range(2, 32)]
    store_entries(repository, (), chunks=strings)
    return repository


def cut(content: bytes, cuts: list[int], holes: list[bool]) -> File:
    """A file of this content, cut at these places, zeros left out where a hole is wanted."""
    edges = sorted({0, *range(0, len(content), 4), *(c for c in cuts if c < len(content))})
    extents = []
    for number, (start, end) in enumerate(zip(edges, [*edges[1:], len(content)], strict=True)):
        piece = content[start:end]
        is_hole = not any(piece) and holes[number % len(holes)]
        if piece and not is_hole:
            extents.append(Extent(start, len(piece), blake3(piece).digest()))
    return File(b"file", META, len(content), tuple(extents))


bits = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(bytes)
cuts = st.lists(st.integers(0, 24))
holes = st.lists(st.booleans(), min_size=1)


@given(content=bits, other=bits, first=cuts, second=cuts, some=holes, others=holes)
def test_files_are_the_same_exactly_if_their_bytes_are(
    letters: Repository,
    content: bytes,
    other: bytes,
    first: list[int],
    second: list[int],
    some: list[bool],
    others: list[bool],
) -> None:
    chunks = ChunkReader(letters.store)
    one, again = cut(content, first, some), cut(content, second, others)
    assert b"".join(stream(one, chunks)) == b"".join(stream(again, chunks)) == content
    assert is_same_content(one, again, lambda: chunks)
    assert is_same_content(one, cut(other, second, others), lambda: chunks) == (content == other)


def test_a_real_file_comes_out_as_it_went_in(tmp_path: Path) -> None:
    path = tmp_path / "tree/file"
    path.parent.mkdir()
    with path.open("wb") as file:
        file.seek(5 << 20)
        file.write(bytes(range(256)) * 9000)
        file.truncate(9_000_001)
    repository = Repository.create(tmp_path / "repository")
    store_tree(repository, path.parent)
    chunks = ChunkReader(repository.store)
    manifest = repository.manifest("primary", None, TRUSTED)
    (entry,) = (each for each in entries(manifest, chunks) if isinstance(each, File))
    assert b"".join(stream(entry, chunks)) == path.read_bytes()


def test_a_huge_hole_is_given_in_pieces_and_compared_without_being_read(
    letters: Repository,
) -> None:
    """1 TiB of nothing: its zeros come one MiB at a time, and two such files equal at once."""
    hole = File(b"hole", META, 1024 * GIB)
    other = File(b"other", META, 1024 * GIB, (Extent(GIB, 1, blake3(b"\0").digest()),))
    reader = CountingReader(letters.store)
    assert len(next(stream(hole, reader))) == ZERO_BYTES
    assert is_same_content(hole, other, lambda: reader)
    assert len(reader.chunks) == 1


def test_the_first_difference_ends_the_comparison(letters: Repository) -> None:
    one, other = (
        cut(b"\1\0\0\0" * 5, [], [False]),
        cut(b"\0\0\0\1" * 5, [2, 6, 10, 14, 18], [False]),
    )
    reader = CountingReader(letters.store)
    assert not is_same_content(one, other, lambda: reader)
    assert len(reader.chunks) == 2


def test_files_that_were_cut_alike_are_told_apart_by_their_ids_alone(letters: Repository) -> None:
    def never() -> ChunkReader:
        raise AssertionError("content was looked at")

    one, other = cut(b"\1\0\0\0" * 5, [3], [False]), cut(b"\1\0\0\0" * 4 + b"1111", [3], [False])
    assert not is_same_content(one, other, never)
    assert is_same_content(one, one, never)


def test_a_chunk_of_another_length_is_never_streamed(letters: Repository) -> None:
    wrong = File(b"file", META, 9, (Extent(0, 9, blake3(b"\1").digest()),))
    with pytest.raises(IntegrityError, match="1 bytes, not 9"):
        list(stream(wrong, ChunkReader(letters.store)))
