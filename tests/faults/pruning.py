"""The prune scenario: several generations of which one is kept, packs removed and written anew."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from random import Random
from typing import Final

from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.prune import prune
from haoscar_pxe.image.prune_plan import PrunePlan, Retention, plan_prune
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.retention import RetentionPolicy
from tests.faults.child import Ending
from tests.faults.ground import (
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

GENERATIONS: Final = 4
ONE_OF_EACH: Final = Retention(RetentionPolicy(1, 0, 0, 0), UTC, {})


def prune_to_one(repository: Repository) -> PrunePlan:
    """Keep the newest generation of each image, as `image prune --keep-last 1`; what was planned.

    Raises BusyError while somebody writes, and what prune raises.
    """
    with repository.alone():
        chunks = ChunkReader(repository.store)
        plan = plan_prune(repository, TRUSTED, ONE_OF_EACH, chunks, Silence())
        prune(plan, repository, chunks, frozenset, Silence())
    return plan


class Pruning:
    """A prune that deletes generations, removes packs, and writes others anew."""

    name = "prune"
    dispensable: frozenset[str] = frozenset()

    def __init__(self, folder: Path, dice: Random, *, files: int, big_bytes: int) -> None:
        self._tree = folder / "tree"
        make_tree(self._tree, dice, files=files, big_bytes=big_bytes)
        self._first = Repository.create(folder / "first")
        for _ in range(GENERATIONS - 1):
            capture_tree(self._first, self._tree)
            change_tree(self._tree, dice, files=files * 2 // 3)
        capture_tree(self._first, self._tree)
        self._copy = folder / "copy"
        self.prepare()

    def prepare(self) -> None:
        self.repository = copy_repository(self._first, self._copy)
        newest = max(committed_in(self.repository))
        self.kept = {newest: committed_in(self.repository)[newest]}

    def work(self) -> None:
        prune_to_one(self.repository)

    def judge(self, ending: Ending) -> list[str]:
        wrong = broken_promises(self.repository, self.kept) + differences(
            self.repository, self._tree
        )
        there = committed_in(self.repository)
        if ending == "done" and there != self.kept:
            wrong.append(f"it said it was done, and there are {len(there)} generations")
        prune_to_one(self.repository)
        wrong += self._not_collected()
        wrong += broken_promises(self.repository, self.kept) + differences(
            self.repository, self._tree
        )
        made = capture_tree(self.repository, self._tree)
        if made.generation != GENERATIONS + 1:
            wrong.append(f"the next capture became generation {made.generation}")
        return wrong

    def _not_collected(self) -> list[str]:
        """What another prune would still take away, and what is left in tmp/."""
        plan = prune_to_one(self.repository)
        packs = [*plan.packs.removed, *plan.packs.rewritten]
        left = [f"not collected: pack {use.pack_id[:12]}" for use in packs]
        left += [f"not deleted: {each.image} {each.generation}" for each in plan.deleted]
        return left + [f"left in tmp/: {name}" for name in leftovers(self.repository)]
