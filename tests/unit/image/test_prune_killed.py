"""Killed before any of its changes to the disk, a prune loses nothing, and the next one ends it."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from haoscar_pxe.image.repository import Repository
from tests.unit.image.generations import ROOT, a_file
from tests.unit.image.pruning import contents, is_sound, packs_bytes, prune_now
from tests.unit.image.tree_reading import KEY, RECORD

CHANGES = ("unlink", "rmdir", "mkdir", "rename", "replace", "fsync", "ftruncate")
"""The functions of os by which a prune changes the disk, or makes a change last."""


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


def run_killed(act: Callable[[], object], before: int) -> bool:
    """Do it in a process that is killed before its `before`-th change; whether it came to its end.

    The power goes where the kernel has done everything that was asked until then.
    """
    child = os.fork()
    if child == 0:
        status = 1
        try:
            calls = itertools.count()
            for name in CHANGES:
                setattr(os, name, _killing(getattr(os, name), calls, before))
            act()
            status = 0
        finally:
            os._exit(status)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in (0, -signal.SIGKILL)
    return ended == 0


def _killing(
    real: Callable[..., object], calls: itertools.count[int], before: int
) -> Callable[..., object]:
    def call(*words: object, **named: object) -> object:
        if next(calls) == before:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*words, **named)

    return call


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
