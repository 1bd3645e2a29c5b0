"""Killed before any of its changes to the disk, a prune loses nothing, and the next one ends it."""

from __future__ import annotations

import itertools
import random
import shutil
from pathlib import Path

import pytest

from haoscar_pxe.image.repository import Repository
from tests.unit.image.generations import ROOT, a_file
from tests.unit.image.killed import run_killed
from tests.unit.image.pruning import contents, is_sound, packs_bytes, prune_now
from tests.unit.image.tree_reading import KEY, RECORD


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Five generations of two images: packs to keep, to remove, and to write anew."""
    repository = Repository.create(tmp_path / "repository")
    for image, seeds in itertools.product(("one", "two"), (range(9), range(5, 12), (8, 20, 30))):
        with repository.writer(image) as writer:
            writer.add_entry(ROOT)
            for seed in sorted(seeds):
                data = random.Random(image + str(seed)).randbytes(20_000)
                writer.add_entry(a_file(writer, b"%03d" % seed, data))
            writer.commit(RECORD, KEY)
    return repository


def test_killed_at_every_step_it_loses_nothing_and_the_next_prune_ends_it(
    repository: Repository, tmp_path: Path
) -> None:
    before = contents(repository)
    prune_now(Repository.open(shutil.copytree(repository.path, tmp_path / "undisturbed")))
    undisturbed = contents(Repository.open(tmp_path / "undisturbed"))
    size = packs_bytes(Repository.open(tmp_path / "undisturbed"))
    assert set(undisturbed) == {("one", 3), ("two", 3)}
    for step in itertools.count():
        path = tmp_path / str(step)
        shutil.copytree(repository.path, path)
        killed = Repository.open(path)
        ended = run_killed(lambda at=killed: prune_now(at), step)  # type: ignore[misc]
        assert is_sound(killed), f"killed before change {step}"
        left = contents(killed)
        assert undisturbed.items() <= left.items() <= before.items()
        prune_now(killed)
        assert contents(killed) == undisturbed
        # A copy that was made before the kill may stay where most of its pack is needed.
        assert packs_bytes(killed) <= 2 * size
        assert list((path / "tmp").iterdir()) == []
        assert is_sound(killed)
        shutil.rmtree(path)
        if ended:
            break
    assert step > 20
