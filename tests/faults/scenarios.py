"""What is disturbed: a capture, a restore, a prune, each with what must hold whatever happened."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random
from typing import Protocol

from haoscar_pxe.image.compare import compare
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader, entries
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.restore import restore
from tests.faults.child import Ending
from tests.faults.ground import (
    IMAGE,
    TRUSTED,
    broken_promises,
    capture_tree,
    change_tree,
    committed_in,
    copy_repository,
    differences,
    leftovers,
    make_tree,
)
from tests.unit.capture.sealing import RING


class Scenario(Protocol):
    """A piece of work that can be disturbed and done again.

    dispensable: calls that write to the disk and whose failure the work may pass over.
    """

    name: str
    dispensable: frozenset[str]

    def prepare(self) -> None:
        """Make everything as it was before the work."""
        ...

    def work(self) -> None:
        """Do it; in a child. Raises HaoscarError if it cannot."""
        ...

    def judge(self, ending: Ending) -> list[str]:
        """Everything that is not as it must be after the work ended like that, in words."""
        ...


class Capturing:
    """A capture of a changed tree into a repository that holds the tree's earlier state."""

    name = "capture"
    # Of the captured tree: where it fails, the next capture reads every file again.
    dispensable: frozenset[str] = frozenset({"syncfs"})

    def __init__(self, folder: Path, dice: Random, *, files: int, big_bytes: int) -> None:
        self.tree = folder / "tree"
        make_tree(self.tree, dice, files=files, big_bytes=big_bytes)
        self._first = Repository.create(folder / "first")
        capture_tree(self._first, self.tree)
        change_tree(self.tree, dice)
        self._copy = folder / "copy"
        self.prepare()

    def prepare(self) -> None:
        self.repository = copy_repository(self._first, self._copy)
        self.committed = committed_in(self.repository)

    def work(self) -> None:
        capture_tree(self.repository, self.tree)

    @property
    def has_committed(self) -> bool:
        """Whether the disturbed capture made its generation."""
        return len(committed_in(self.repository)) > len(self.committed)

    def judge(self, ending: Ending) -> list[str]:
        wrong = broken_promises(self.repository, self.committed)
        if ending == "done" and not self.has_committed:
            wrong.append("it said it was done, and there is no generation")
        if self.has_committed:
            wrong += differences(self.repository, self.tree)
        return wrong + self._next_capture()

    def _next_capture(self) -> list[str]:
        """The next writer works, and takes away what the disturbed one left."""
        committed = committed_in(self.repository)
        made = capture_tree(self.repository, self.tree)
        wrong = broken_promises(self.repository, committed) + differences(
            self.repository, self.tree
        )
        if made.generation != len(committed) + 1:
            wrong.append(f"the next capture became generation {made.generation}")
        return wrong + [f"left in tmp/: {name}" for name in leftovers(self.repository)]


class Restoring:
    """A restore of a generation into an empty folder."""

    name = "restore"
    dispensable: frozenset[str] = frozenset()

    def __init__(self, folder: Path, dice: Random, *, files: int, big_bytes: int) -> None:
        tree = folder / "tree"
        make_tree(tree, dice, files=files, big_bytes=big_bytes)
        self.repository = Repository.create(folder / "repository")
        capture_tree(self.repository, tree)
        self.committed = committed_in(self.repository)
        self._target = folder / "target"

    def prepare(self) -> None:
        shutil.rmtree(self._target, ignore_errors=True)

    def work(self) -> None:
        manifest = self.repository.manifest(IMAGE, None, TRUSTED)
        chunks = ChunkReader(self.repository.store, opening=RING)
        restore(entries(manifest, chunks), chunks, self._target, Silence())

    def judge(self, ending: Ending) -> list[str]:
        wrong = broken_promises(self.repository, self.committed)
        if ending == "done":
            wrong += self._differences()
        self.prepare()
        self.work()
        return wrong + self._differences()

    def _differences(self) -> list[str]:
        manifest = self.repository.manifest(IMAGE, None, TRUSTED)
        chunks = ChunkReader(self.repository.store, opening=RING)
        found = compare(entries(manifest, chunks), self._target, Silence(), boxes=chunks)
        return [f"restored, but {each}" for each in found]
