"""Verification finds every flipped bit of a repository, and everything that is missing."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from haoscar_pxe.errors import HaoscarError, RepositoryError
from haoscar_pxe.image.entry import File
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader, entries, extents, packs_of
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import TrustedKeys
from haoscar_pxe.image.verify import VerifyReport, verify_generation, verify_repository
from tests.unit.image.tree_reading import KEY, store_tree

TRUSTED = TrustedKeys.of(KEY.public)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Two generations of a very small tree."""
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/hosts").write_bytes(b"127.0.0.1 localhost\n")
    (tree / "again").write_bytes(b"compressible " * 9)
    repository = Repository.create(tmp_path / "repository")
    store_tree(repository, tree)
    (tree / "etc/hosts").write_bytes(b"127.0.0.1 primary\n")
    store_tree(repository, tree)
    return repository


def verify(repository: Repository) -> VerifyReport:
    return verify_repository(repository, TRUSTED, Silence())


def content_files(repository: Repository) -> list[Path]:
    folders = (repository.path / "packs", repository.path / "images")
    return [file for folder in folders for file in folder.rglob("*") if file.is_file()]


def read_everything(repository: Repository) -> list[bytes]:
    """All content of the newest generation, as a restore would read it."""
    chunks = ChunkReader(repository.store)
    manifest = repository.manifest("primary", None, TRUSTED)
    found: list[bytes] = []
    for entry in entries(manifest, chunks):
        found.append(repr(entry).encode())
        if isinstance(entry, File):
            found += [data for _, data in extents(entry, chunks)]
    return found


def test_a_good_repository_is_good(repository: Repository) -> None:
    report = verify(repository)
    assert report.is_good
    assert (report.generations, report.packs) == (2, 4)
    assert report.read_bytes == sum(
        file.stat().st_size for file in content_files(repository) if file.suffix == ".pack"
    )


def test_every_flipped_bit_is_found_and_never_read_as_good(repository: Repository) -> None:
    """One random bit of every byte of every file."""
    good = read_everything(repository)
    dice = random.Random(7)
    positions = 0
    for file in content_files(repository):
        before = file.read_bytes()
        for position in range(len(before)):
            damaged = bytearray(before)
            damaged[position] ^= 1 << dice.randrange(8)
            file.write_bytes(damaged)
            assert not verify(repository).is_good, f"byte {position} of {file}"
            with suppress(HaoscarError):
                assert read_everything(repository) == good, f"byte {position} of {file}"
            positions += 1
        file.write_bytes(before)
    assert positions > 1500
    assert verify(repository).is_good


def test_a_lost_pack_is_named_by_every_file_that_needs_it(repository: Repository) -> None:
    for pack_id in repository.store.pack_ids():
        path = repository.store.pack_path(pack_id)
        before = path.read_bytes()
        path.unlink()
        assert not verify(repository).is_good
        path.write_bytes(before)
    assert verify(repository).is_good


def test_a_pack_under_another_name_is_found(repository: Repository) -> None:
    path = repository.store.pack_path(repository.store.pack_ids()[0])
    other = path.with_name(f"{path.stem[:-1]}{'0' if path.stem[-1] != '0' else '1'}.pack")
    path.rename(other)
    assert any("not what its name says" in str(each) for each in verify(repository).problems)


def test_a_manifest_under_another_name_is_found(repository: Repository) -> None:
    manifests = repository.path / "images/primary"
    (manifests / "7.manifest").write_bytes((manifests / "1.manifest").read_bytes())
    assert ["generation 7" in str(each) for each in verify(repository).problems] == [True]


def test_one_generation_is_verified_without_the_packs_of_others(repository: Repository) -> None:
    report = verify_generation(repository, "primary", 1, TRUSTED, Silence())
    assert report.is_good
    assert (report.generations, report.packs) == (1, 2)
    with pytest.raises(RepositoryError, match="no generation 3"):
        verify_generation(repository, "primary", 3, TRUSTED, Silence())


class Pruned:
    """A Progress under which prune takes place: the packs are listed, and none was read."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._acts = [act]

    def expect(self, total_bytes: int) -> None:
        while self._acts:
            self._acts.pop()()

    def advance(self, size_bytes: int, entries: int = 1) -> None:
        """Drop it."""


def test_what_is_pruned_meanwhile_is_no_damage(repository: Repository) -> None:
    old = repository.store.pack_ids()
    first = packs_of(repository.manifest("primary", 1, TRUSTED), ChunkReader(repository.store))
    second = packs_of(repository.manifest("primary", 2, TRUSTED), ChunkReader(repository.store))

    gone = set(first) - set(second)
    assert gone

    def prune() -> None:
        repository.manifest_path("primary", 1).unlink()
        for pack_id in gone:
            repository.store.pack_path(pack_id).unlink()

    report = verify_repository(repository, TRUSTED, Pruned(prune))
    assert report.problems == ()
    assert report.generations == 1
    assert report.packs == len(old) - len(gone)


def test_chunks_that_are_moved_meanwhile_are_found_in_their_new_pack(
    repository: Repository, tmp_path: Path
) -> None:
    copies = Repository.create(tmp_path / "copies")
    store_tree(copies, tmp_path / "tree")

    def move() -> None:
        for pack_id in copies.store.pack_ids():
            path = repository.store.pack_path(pack_id)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(copies.store.pack_path(pack_id).read_bytes())
        for pack_id in old:
            repository.store.pack_path(pack_id).unlink()
        repository.manifest_path("primary", 1).unlink()

    old = set(repository.store.pack_ids()) - set(copies.store.pack_ids())
    report = verify_repository(repository, TRUSTED, Pruned(move))
    assert report.problems == ()
    assert report.generations == 1
