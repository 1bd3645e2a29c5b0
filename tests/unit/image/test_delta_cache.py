"""Deltas that are kept: found again, looked through, bounded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from haoscar_pxe.image.delta import DeltaTooLargeError
from haoscar_pxe.image.delta_cache import Bounds, DeltaCache, NoSavingError
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.repository import Repository
from tests.unit.image.deltas import noise
from tests.unit.image.tree_reading import store_tree


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[DeltaCache]:
    made = DeltaCache(tmp_path / "cache")
    made.open()
    yield made
    made.close()


@pytest.fixture
def row(tmp_path: Path) -> list[Manifest]:
    """Generations of a file of which a little changes each time."""
    tree, repository = tmp_path / "tree", Repository.create(tmp_path / "repository")
    tree.mkdir()
    found = []
    for number in range(4):
        (tree / "file").write_bytes(noise("file", 500_000) + noise(str(number), 1000))
        found.append(store_tree(repository, tree))
    return found


def chunks(folder: Path) -> ChunkReader:
    return ChunkReader(Repository.open(folder / "repository").store)


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder / "cache"))


def test_what_was_made_is_found_again_after_a_start(
    tmp_path: Path, row: list[Manifest], cache: DeltaCache
) -> None:
    assert cache.find(row[0].id, row[1].id) is None
    made = cache.make(row[0], row[1], chunks(tmp_path))
    assert cache.find(row[0].id, row[1].id) == made
    cache.close()
    again = DeltaCache(tmp_path / "cache")
    again.open()
    assert again.find(row[0].id, row[1].id) == made
    assert again.find(row[0].id, row[2].id) is None
    again.close()


@pytest.mark.parametrize("keep_bytes", [0, 30, 900, -1])
def test_what_a_power_cut_left_cut_short_is_not_given(
    tmp_path: Path, row: list[Manifest], cache: DeltaCache, keep_bytes: int
) -> None:
    made = cache.make(row[0], row[1], chunks(tmp_path))
    whole = made.read_bytes()
    made.write_bytes(whole[:keep_bytes])
    started = DeltaCache(tmp_path / "cache")
    assert started.find(row[0].id, row[1].id) is None
    assert not made.exists()
    assert started.make(row[0], row[1], chunks(tmp_path)).read_bytes() == whole


def test_a_wrong_bit_on_the_disk_is_not_given(
    tmp_path: Path, row: list[Manifest], cache: DeltaCache
) -> None:
    made = cache.make(row[0], row[1], chunks(tmp_path))
    content = bytearray(made.read_bytes())
    content[-5] ^= 1
    made.write_bytes(content)
    assert DeltaCache(tmp_path / "cache").find(row[0].id, row[1].id) is None


def test_a_start_removes_what_is_half_made_unless_another_process_lives(
    tmp_path: Path, row: list[Manifest], cache: DeltaCache
) -> None:
    made = cache.make(row[0], row[1], chunks(tmp_path))
    (tmp_path / "cache/tmp1234").write_bytes(b"half")
    beside = DeltaCache(tmp_path / "cache")
    beside.open()
    beside.close()
    assert names(tmp_path) == sorted([".lock", made.name, "tmp1234"])
    cache.close()
    after = DeltaCache(tmp_path / "cache")
    after.open()
    after.close()
    assert names(tmp_path) == sorted([".lock", made.name])


@pytest.mark.parametrize("bounds", [Bounds(most_files=2), Bounds(most_bytes=4096)])
def test_what_was_not_asked_for_longest_goes(
    tmp_path: Path, row: list[Manifest], bounds: Bounds
) -> None:
    """Each of these deltas has between 1,400 and 2,000 bytes."""
    cache = DeltaCache(tmp_path / "cache", bounds)
    cache.open()
    first = cache.make(row[0], row[1], chunks(tmp_path))
    second = cache.make(row[0], row[2], chunks(tmp_path))
    size = first.stat().st_size
    assert 1400 < size < 2000
    assert cache.find(row[0].id, row[1].id) == first
    third = cache.make(row[0], row[3], chunks(tmp_path))
    assert names(tmp_path) == sorted([".lock", first.name, third.name])
    assert cache.find(row[0].id, row[2].id) is None
    assert not second.exists()
    cache.close()


def test_giving_one_out_leaves_the_time_that_its_etag_is_made_from(
    tmp_path: Path, row: list[Manifest], cache: DeltaCache
) -> None:
    made = cache.make(row[0], row[1], chunks(tmp_path))
    before = made.stat().st_mtime_ns
    cache.find(row[0].id, row[1].id)
    assert made.stat().st_mtime_ns == before


def test_a_delta_that_saves_nothing_is_none(tmp_path: Path, cache: DeltaCache) -> None:
    tree, repository = tmp_path / "tree", Repository.create(tmp_path / "repository")
    tree.mkdir()
    (tree / "file").write_bytes(noise("one", 3000))
    older = store_tree(repository, tree)
    (tree / "file").write_bytes(noise("another", 3000))
    newer = store_tree(repository, tree)
    with pytest.raises(NoSavingError, match="saves nothing"):
        cache.make(older, newer, chunks(tmp_path))
    assert names(tmp_path) == [".lock"]


def test_a_delta_beyond_the_bound_is_given_up_and_leaves_nothing(
    tmp_path: Path, row: list[Manifest]
) -> None:
    cache = DeltaCache(tmp_path / "cache", Bounds(most_bytes=500))
    cache.open()
    with pytest.raises(DeltaTooLargeError, match="500"):
        cache.make(row[0], row[1], chunks(tmp_path))
    assert names(tmp_path) == [".lock"]
    cache.close()
