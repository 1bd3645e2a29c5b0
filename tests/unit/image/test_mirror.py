"""A second repository becomes what the first one is, whatever happens on the way."""

from __future__ import annotations

import itertools
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from haoscar_pxe.errors import BusyError, IntegrityError, RepositoryError, StorageError
from haoscar_pxe.image.mirror import Mirror, MirrorReport
from haoscar_pxe.image.origin import FolderOrigin, Origin
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import SigningKey, TrustedKeys
from haoscar_pxe.image.verify import verify_repository
from tests.unit.image.generations import TRUSTED
from tests.unit.image.killed import run_killed
from tests.unit.image.pruning import prune_now
from tests.unit.image.tree_reading import store_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    dice = random.Random(5)
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(8):
        (tree / f"{number}").write_bytes(dice.randbytes(2000))
    return tree


@pytest.fixture
def first(tmp_path: Path, tree: Path) -> Repository:
    """Two generations of one image, one of another."""
    repository = Repository.create(tmp_path / "first")
    store_tree(repository, tree)
    (tree / "3").write_bytes(b"changed")
    store_tree(repository, tree)
    (tree / "4").write_bytes(b"changed too")
    store_tree(repository, tree, "client")
    return repository


@pytest.fixture
def second(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "second")


def mirrored(
    first: Repository, second: Repository, *images: str, origin: Origin | None = None
) -> MirrorReport:
    origin = origin or FolderOrigin(first.path)
    return Mirror(origin, second, TRUSTED, Silence()).run(images)


def files_of(repository: Repository) -> dict[str, bytes]:
    """Every pack and manifest."""
    return {
        str(path.relative_to(repository.path)): path.read_bytes()
        for folder in ("packs", "images")
        for path in sorted((repository.path / folder).rglob("*"))
        if path.is_file()
    }


def assert_whole(repository: Repository) -> None:
    assert verify_repository(repository, TRUSTED, Silence()).problems == ()


def test_a_mirror_has_the_same_packs_and_manifests_byte_for_byte(
    first: Repository, second: Repository
) -> None:
    report = mirrored(first, second)
    assert files_of(second) == files_of(first)
    assert report.taken == [("client", 1), ("primary", 1), ("primary", 2)]
    assert report.packs == len(first.store.pack_ids())
    assert_whole(second)


def test_a_second_run_takes_nothing_and_the_next_generation_only_what_is_new(
    first: Repository, second: Repository, tree: Path
) -> None:
    mirrored(first, second)
    report = mirrored(first, second)
    assert (report.taken, report.was_there, report.packs) == ([], 3, 0)
    (tree / "5").write_bytes(b"new")
    store_tree(first, tree)
    report = mirrored(first, second)
    assert report.taken == [("primary", 3)]
    assert report.packs == 2
    assert files_of(second) == files_of(first)


def test_one_image_brings_its_own_packs_alone(first: Repository, second: Repository) -> None:
    mirrored(first, second, "client")
    assert second.images() == ["client"]
    assert len(second.store.pack_ids()) < len(first.store.pack_ids())
    assert_whole(second)


def test_an_image_that_is_not_there_is_refused_with_those_that_are(
    first: Repository, second: Repository
) -> None:
    with pytest.raises(RepositoryError, match="has no image other") as caught:
        mirrored(first, second, "other")
    assert "client, primary" in caught.value.hint


def test_killed_at_every_step_it_shows_whole_generations_and_the_next_run_ends_it(
    first: Repository, second: Repository, tmp_path: Path
) -> None:
    for step in itertools.count():
        copy = Repository.open(shutil.copytree(second.path, tmp_path / f"step{step}"))
        ended = run_killed(lambda copy=copy: mirrored(first, copy), step)  # type: ignore[misc]
        assert_whole(copy)
        there = len(copy.store.pack_ids())
        report = mirrored(first, copy)
        assert report.packs == len(first.store.pack_ids()) - there
        assert files_of(copy) == files_of(first)
        assert list((copy.path / "tmp").iterdir()) == []
        if ended:
            break
    assert step > 20


def test_what_nobody_trusted_has_signed_is_not_taken(first: Repository, second: Repository) -> None:
    other = TrustedKeys.of(SigningKey(bytes(32)).public)
    with pytest.raises(IntegrityError):
        Mirror(FolderOrigin(first.path), second, other, Silence()).run()
    assert second.images() == []


@pytest.mark.parametrize("folder", ["packs", "images"])
def test_every_damaged_file_of_the_origin_is_noticed_and_nothing_of_it_shows(
    first: Repository, second: Repository, folder: str, tmp_path: Path
) -> None:
    for number, name in enumerate(each for each in files_of(first) if each.startswith(folder)):
        broken = Repository.open(shutil.copytree(first.path, tmp_path / f"broken{number}"))
        content = bytearray((broken.path / name).read_bytes())
        content[len(content) // 2] ^= 1
        (broken.path / name).write_bytes(content)
        copy = Repository.open(shutil.copytree(second.path, tmp_path / f"copy{number}"))
        with pytest.raises(RepositoryError):
            mirrored(broken, copy)
        assert_whole(copy)


def test_a_generation_that_is_another_one_here_is_refused(
    first: Repository, second: Repository, tree: Path
) -> None:
    (tree / "own").write_bytes(b"captured into the mirror")
    store_tree(second, tree)
    before = files_of(second)
    with pytest.raises(RepositoryError, match="is another generation than at"):
        mirrored(first, second, "primary")
    assert files_of(second) == before


def test_what_was_pruned_at_the_origin_stays_in_the_mirror(
    first: Repository, second: Repository
) -> None:
    mirrored(first, second)
    first.manifest_path("primary", 1).unlink()
    prune_now(first)
    mirrored(first, second)
    assert second.generations("primary") == [1, 2]
    assert_whole(second)


class Pruned(FolderOrigin):
    """An origin whose packs go away after they were listed, so many times."""

    def __init__(self, path: Path, times: int) -> None:
        super().__init__(path)
        self._times = times

    def packs(self, manifest: object) -> list[str]:
        found = super().packs(manifest)  # type: ignore[arg-type]
        if self._times:
            self._times -= 1
            return [*found[:1], "ab" * 32]
        return found


def test_packs_that_a_prune_moved_are_asked_for_anew(first: Repository, second: Repository) -> None:
    mirrored(first, second, origin=Pruned(first.path, 2))
    assert files_of(second) == files_of(first)


def test_packs_that_keep_going_away_end_it_in_words(first: Repository, second: Repository) -> None:
    with pytest.raises(StorageError, match="went away while they were fetched, 3 times"):
        mirrored(first, second, origin=Pruned(first.path, 99))
    assert second.images() == []


def test_an_image_that_is_being_captured_here_is_not_mirrored_into(
    first: Repository, second: Repository
) -> None:
    with second.writer("primary"), pytest.raises(BusyError):
        mirrored(first, second, "primary")


def test_a_full_disk_ends_it_in_words_and_what_came_is_whole(
    first: Repository, second: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "replace", _full_after(os.replace, 2))
    with pytest.raises(StorageError, match="No space left on device"):
        mirrored(first, second)
    monkeypatch.undo()
    assert_whole(second)
    mirrored(first, second)
    assert files_of(second) == files_of(first)


def _full_after(real: Callable[..., None], calls: int) -> Callable[..., None]:
    left = itertools.count(calls, -1)

    def replace(*words: object) -> None:
        if next(left) <= 0:
            raise OSError(28, "No space left on device")
        real(*words)

    return replace
