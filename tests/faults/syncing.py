"""Part "sync": a standby that becomes another generation, disturbed at any moment.

Killed at random moments of the whole sync and of its end (commit and finish), and killed or told
"no space left" or "input/output error" at its system calls. Before the commit the tree must be the
old generation, after it what finishes must make it the new one, exactly.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random

from haoscar_pxe.image.compare import compare
from haoscar_pxe.image.entry import sort_key
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.progress import Silence, unwatched
from haoscar_pxe.image.reader import ChunkReader, entries
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.restore import restore
from haoscar_pxe.image.source import FolderSource
from haoscar_pxe.install.sync import journal as journals
from haoscar_pxe.install.sync.barrier import sync_only
from haoscar_pxe.install.sync.carry_out import Standby, finish
from haoscar_pxe.install.sync.fetching import Fetching
from haoscar_pxe.install.sync.journal import Mounted
from haoscar_pxe.install.sync.plan import Had
from haoscar_pxe.install.sync.planning import Before, commit, make_plan
from haoscar_pxe.install.sync.wanted import Declared, Goal
from tests.faults.child import Ending
from tests.faults.ground import IMAGE, TRUSTED, capture_tree, change_tree, make_tree
from tests.unit.capture.sealing import RING

NOBODY = Declared.of(())


class Syncing:
    """A standby of generation 1 that becomes generation 2.

    starts_committed: only what comes after the commit is the work.
    """

    dispensable: frozenset[str] = frozenset()

    def __init__(
        self, folder: Path, dice: Random, *, files: int, big_bytes: int, starts_committed: bool
    ) -> None:
        self.name = "completion" if starts_committed else "sync"
        self._starts_committed = starts_committed
        tree = folder / "head"
        make_tree(tree, dice, files=files, big_bytes=big_bytes)
        self.repository = Repository.create(folder / "repository")
        capture_tree(self.repository, tree)
        change_tree(tree, dice, files=files // 3)
        _change_kinds(tree)
        capture_tree(self.repository, tree)
        self._tree, self._boot = folder / "standby", folder / "boot"

    @property
    def _standby(self) -> Standby:
        return Standby(self._tree, (Mounted("/", "uuid", "ext4"),), self._boot, sync_only)

    def prepare(self) -> None:
        shutil.rmtree(self._tree, ignore_errors=True)
        shutil.rmtree(self._boot, ignore_errors=True)
        self._boot.mkdir()
        chunks = self._chunks()
        restore(entries(self._manifest(1), chunks), chunks, self._tree, Silence())
        if self._starts_committed:
            self._commit()

    def work(self) -> None:
        if not self._starts_committed:
            self._commit()
        self._finish()

    def judge(self, ending: Ending) -> list[str]:
        is_committed = (self._boot / journals.NAME).exists()
        old, new = self._differences(1), self._differences(2)
        wrong = []
        if not is_committed and old and new:
            wrong.append(f"neither the old generation ({old[0]}) nor the new one ({new[0]})")
        if ending == "done" and (is_committed or new):
            wrong.append("it said it was done, and the tree is not the new generation")
        was_committed = is_committed or not new
        self._finish()
        if was_committed:
            wrong += [f"finished, but {each}" for each in self._differences(2)]
        self._commit()
        self._finish()
        left = sorted(os.listdir(self._boot))
        wrong += [f"left in the boot folder: {name}" for name in left]
        return wrong + [f"after the next sync: {each}" for each in self._differences(2)]

    def _commit(self) -> None:
        """Plan and stage as `haoscar-pxe sync` does; all content is read, nothing is trusted."""
        manifest = self._manifest(2)
        source = FolderSource(self.repository.path)
        goal = Goal(manifest, Fetching(source, manifest, opening=RING), NOBODY)
        old = self._manifest(1)
        before = Before(Had(IMAGE, 1, old.layout, False), None, -1, frozenset())
        made = make_plan(goal, before, self._standby, unwatched)
        if not made.is_nothing:
            commit(made, goal, before, (), self._standby, unwatched)

    def _finish(self) -> None:
        """What the next start does, too: nothing where nothing was committed."""
        if (committed := journals.read(self._boot)) is not None:
            finish(committed, self._standby, Silence())

    def _differences(self, generation: int) -> list[str]:
        """Staging folders are allowed: the next sync or its finish takes them away."""
        manifest = self._manifest(generation)
        chunks = self._chunks()
        found = compare(entries(manifest, chunks), self._tree, Silence(), boxes=chunks)
        staging = frozenset({b".haoscar-pxe-sync"})
        return [
            str(each)
            for each in sorted(found, key=lambda each: sort_key(each.path))
            if each.path not in staging and not (each.path == b"" and each.aspect == "mtime")
        ]

    def _manifest(self, generation: int) -> Manifest:
        return self.repository.manifest(IMAGE, generation, TRUSTED)

    def _chunks(self) -> ChunkReader:
        return ChunkReader(self.repository.store, opening=RING)


def _change_kinds(tree: Path) -> None:
    """What change_tree leaves out: other kinds, links and attributes where something stood."""
    files = sorted(tree.rglob("file-*"))
    files[0].unlink()
    files[0].mkdir()
    (files[0] / "inside").write_text("a folder where a file was")
    (tree / "symlink").unlink()
    (tree / "symlink").mkdir()
    (tree / "hard-link").unlink()
    (tree / "hard-link").write_text("a file of its own")
    os.link(files[1], tree / "second-name")
    files[2].chmod(0o600)
    shutil.rmtree(tree / "folder-1")
    (tree / "folder-1").symlink_to("folder-2")
