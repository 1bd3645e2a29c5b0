"""Which deltas the boot server gives, and what it says where there is none."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from haoscar_pxe.boot.deltas import FAILED_S, Deltas
from haoscar_pxe.boot.generations import Generations
from haoscar_pxe.image.compression import Encoding
from haoscar_pxe.image.delta import HEADER, decode_index, rows
from haoscar_pxe.image.delta_cache import DeltaCache
from haoscar_pxe.image.entry import SealedFile
from haoscar_pxe.image.reader import ChunkReader, entries
from haoscar_pxe.image.receiver import Delta
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.sealing_keys import KeyFolder
from haoscar_pxe.nodes.asking import Refusal
from tests.faults.ground import IMAGE, TRUSTED, capture_tree
from tests.unit.image.deltas import FileBlob, noise


@dataclass
class Site:
    """A repository with generations of one tree, and its deltas. now_s: what the clock says."""

    folder: Path
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.tree.mkdir()
        self.repository = Repository.create(self.folder / "repository")
        generations = Generations.of(self.repository.path, TRUSTED, KeyFolder(self.folder / "keys"))
        self.cache = DeltaCache(self.folder / "cache")
        self.cache.open()
        self.deltas = Deltas(generations, self.cache, lambda: self.now_s)

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    def capture(self, name: str, content: bytes) -> None:
        (self.tree / name).parent.mkdir(exist_ok=True)
        (self.tree / name).write_bytes(content)
        capture_tree(self.repository, self.tree)

    def refused(self, older: int, newer: int) -> str:
        found = self.deltas.make(IMAGE, older, newer)
        assert isinstance(found, Refusal)
        assert found.status == 404
        return found.reason


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    for number in range(3):
        made.capture("file", noise("file", 400_000) + noise(str(number), 1000))
    yield made
    made.cache.close()


def test_a_delta_is_made_once_and_then_found(site: Site) -> None:
    assert site.deltas.find(IMAGE, 1, 2) is None
    made = site.deltas.make(IMAGE, 1, 2)
    assert isinstance(made, Path)
    written_ns = made.stat().st_mtime_ns
    assert site.deltas.find(IMAGE, 1, 2) == site.deltas.make(IMAGE, 1, 2) == made
    assert made.stat().st_mtime_ns == written_ns


@pytest.mark.parametrize(
    ("image", "older", "newer", "said"),
    [
        (IMAGE, 1, 9, "no generation 9"),
        (IMAGE, 7, 2, "no generation 7"),
        ("unknown", 1, 2, "no generation 1 of unknown"),
        (IMAGE, 2, 2, "from itself"),
        ("..", 1, 2, "no generation 1"),
    ],
)
def test_of_what_is_not_there_is_no_delta(
    site: Site, image: str, older: int, newer: int, said: str
) -> None:
    found = site.deltas.find(image, older, newer)
    assert isinstance(found, Refusal)
    assert found.status == 404
    assert said in found.reason


def test_a_delta_of_a_generation_that_was_pruned_is_not_given_any_more(site: Site) -> None:
    assert isinstance(site.deltas.make(IMAGE, 1, 2), Path)
    site.repository.manifest_path(IMAGE, 1).unlink()
    assert site.refused(1, 2) == f"there is no generation 1 of {IMAGE}"


def test_a_generation_made_anew_under_an_old_number_has_another_delta(site: Site) -> None:
    first = site.deltas.make(IMAGE, 2, 3)
    site.repository.manifest_path(IMAGE, 3).unlink()
    site.capture("file", noise("file", 400_000) + noise("quite another", 1000))
    assert site.deltas.find(IMAGE, 2, 3) is None
    second = site.deltas.make(IMAGE, 2, 3)
    assert isinstance(second, Path)
    assert second != first


def test_a_maker_that_fails_says_so_and_tries_again_later(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    packs = {path: path.read_bytes() for path in (site.repository.path / "packs").rglob("*.pack")}
    for path in packs:
        path.unlink()
    assert "fetch the packs" in site.refused(1, 2)
    assert re.search(r"no delta of .* from 1 to 2: ", caplog.text)
    for path, content in packs.items():
        path.write_bytes(content)
    assert "fetch the packs" in site.refused(1, 2)
    site.now_s += FAILED_S
    assert isinstance(site.deltas.make(IMAGE, 1, 2), Path)


def test_a_delta_that_saves_nothing_is_not_made_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.capture("incompressible", noise("new", 100_000))
    assert "saves nothing" in site.refused(3, 4)
    monkeypatch.delattr("haoscar_pxe.image.delta_cache.DeltaCache.make")
    assert "saves nothing" in site.refused(3, 4)


def test_no_plain_text_of_a_secret_is_in_a_delta(site: Site) -> None:
    """Pages name it and its box lies there as in the packs; nothing refers to a box."""
    canary = os.urandom(24).hex().encode()
    (site.tree / "etc").mkdir()
    for number in range(3):
        (site.tree / "etc/shadow").write_bytes(b"root:%s:\n" % canary + b"changed\n" * number)
        site.capture("file", noise("file", 400_000) + noise(f"beside {number}", 1000))
    for older, newer in ((3, 4), (4, 5), (5, 6), (3, 6)):
        path = site.deltas.make(IMAGE, older, newer)
        assert isinstance(path, Path)
        old, new = (site.repository.manifest(IMAGE, each, TRUSTED) for each in (older, newer))
        delta = Delta(FileBlob(path), "it", old, new)
        chunks = ChunkReader(site.repository.store)
        boxes = {
            extent.chunk_id
            for manifest in (old, new)
            for entry in entries(manifest, chunks)
            if isinstance(entry, SealedFile)
            for extent in entry.extents
        }
        assert canary not in path.read_bytes()
        for number, piece in enumerate(delta.index.pieces):
            given = delta.piece(number, chunks.chunk)
            assert not any(canary in data for data in given.values())
            assert not boxes.intersection(row.chunk_id for row in rows(piece.references))
            if boxes.intersection(given):
                assert set(given) <= boxes
                assert piece.encoding == Encoding.RAW
                assert not piece.references


def test_the_bytes_of_a_delta_follow_from_its_generations_alone(site: Site) -> None:
    made = site.deltas.make(IMAGE, 1, 3)
    assert isinstance(made, Path)
    first = made.read_bytes()
    made.unlink()
    again = site.deltas.make(IMAGE, 1, 3)
    assert isinstance(again, Path)
    assert again.read_bytes() == first
    size = int.from_bytes(first[8:12], "little")
    index = decode_index(
        first[: HEADER.size], first[HEADER.size : HEADER.size + size], len(first), "it"
    )
    assert index.older.hex() == site.repository.manifest(IMAGE, 1, TRUSTED).id
