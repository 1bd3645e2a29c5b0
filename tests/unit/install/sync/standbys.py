"""A primary's tree, its image, and a standby made from it, all in one temporary folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from haoscar_pxe.image.compare import compare
from haoscar_pxe.image.entry import Entry
from haoscar_pxe.image.folders import open_root
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader, entries, find
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.restore import restore
from haoscar_pxe.install import identity
from haoscar_pxe.install.sync import journal as journals
from haoscar_pxe.install.sync.barrier import sync_only
from haoscar_pxe.install.sync.carry_out import Standby, finish, stage_and_commit
from haoscar_pxe.install.sync.journal import Mounted
from haoscar_pxe.install.sync.places import staging_paths
from haoscar_pxe.install.sync.plan import Had, Room, SyncPlan, plan
from haoscar_pxe.install.sync.stage import OwnFirst, chunks_lying_here
from haoscar_pxe.install.sync.survey import Known, survey
from haoscar_pxe.install.sync.wanted import Declared, free_times, wanted_entries
from haoscar_pxe.nodes.order import IdentityChange
from tests.unit.image.tree_reading import store_tree

IDENTITY = (
    IdentityChange(path=b"etc/hostname", content=b"standby\n", reason="its name"),
    IdentityChange(path=b"etc/machine-id", content=None, reason="made at its first boot"),
    IdentityChange(path=b"etc/net/card", content=b"10.77.0.20\n", mode=0o600, reason="its own"),
)
ROOM = (Room(b"", 1 << 40, 1 << 30),)
NOW_NS = 1 << 62
"""Later than any ctime: the tree is known to be what it was made from."""


@dataclass
class Site:
    """Folders of one test. kept: paths that a sync leaves alone."""

    folder: Path
    kept: frozenset[bytes] = frozenset()

    @property
    def head(self) -> Path:
        return self.folder / "head"

    @property
    def tree(self) -> Path:
        return self.folder / "standby"

    @property
    def standby(self) -> Standby:
        boot = self.folder / "boot"
        boot.mkdir(exist_ok=True)
        return Standby(self.tree, (Mounted("/", "uuid", "ext4"),), boot, sync_only)

    @property
    def repository(self) -> Repository:
        path = self.folder / "repository"
        return Repository.open(path) if path.exists() else Repository.create(path)

    def capture(self) -> Manifest:
        """The head as its image's next generation."""
        return store_tree(self.repository, self.head)

    def reader(self) -> ChunkReader:
        return ChunkReader(self.repository.store)

    def install(self, manifest: Manifest) -> None:
        """What the installer does to an empty disk."""
        chunks = self.reader()
        restore(entries(manifest, chunks), chunks, self.tree, Silence())
        identity.apply(self.tree, IDENTITY)

    def plan(self, had: Manifest, manifest: Manifest, since_ns: int = NOW_NS) -> SyncPlan:
        """What a sync of the standby would do."""
        chunks, declared = self.reader(), Declared.of(IDENTITY)
        known = Known(
            had=self._entries(had, declared, chunks) if since_ns >= 0 else (),
            since_ns=since_ns,
            kept=self.kept | staging_paths([b""]),
            free_times=free_times(declared, lambda path: find(manifest, chunks, path)),
        )
        root_fd = open_root(self.tree)
        try:
            wanted = self._entries(manifest, declared, chunks)
            found = survey(root_fd, wanted, known, Silence())
        finally:
            os.close(root_fd)
        return plan(manifest, _had(had), found, known.kept, ROOM)

    def _entries(
        self, manifest: Manifest, declared: Declared, chunks: ChunkReader
    ) -> Iterator[Entry]:
        look_up = lambda path: find(manifest, chunks, path)  # noqa: E731
        return wanted_entries(entries(manifest, chunks), declared, look_up, manifest.created_ns)

    def chunks(self, had: Manifest, made: SyncPlan, root_fd: int) -> OwnFirst:
        """Where the content of a plan comes from."""
        chunks, declared = self.reader(), Declared.of(IDENTITY)
        lying = chunks_lying_here(self._entries(had, declared, chunks), made.staged.values())
        return OwnFirst(root_fd, lying, declared.content, chunks)

    def sync(self, had: Manifest, manifest: Manifest, since_ns: int = NOW_NS) -> SyncPlan:
        """All of a sync."""
        made = self.plan(had, manifest, since_ns)
        self.carry_out(had, made)
        return made

    def carry_out(self, had: Manifest, made: SyncPlan) -> None:
        """From the plan to the end."""
        self.commit(had, made)
        self.finish()

    def commit(self, had: Manifest, made: SyncPlan) -> None:
        root_fd = open_root(self.tree)
        try:
            chunks = self.chunks(had, made, root_fd)
            stage_and_commit(made, "standby", chunks, self.standby, Silence())
        finally:
            os.close(root_fd)

    def finish(self) -> None:
        """What the next start does: finish whatever was committed."""
        standby = self.standby
        if (committed := journals.read(standby.boot_folder)) is not None:
            finish(committed, standby, Silence())

    def differences(self, manifest: Manifest) -> list[str]:
        """All that is not as the generation and the identity say."""
        chunks = self.reader()
        wanted = list(self._entries(manifest, Declared.of(IDENTITY), chunks))
        paths = {change.path for change in IDENTITY}
        return [
            str(each)
            for each in compare(wanted, self.tree, Silence(), ignored=self.kept)
            if not (each.aspect == "mtime" and each.path in paths)
            and not (each.path == b"etc/net" and each.aspect == "mtime")
        ]


def _had(manifest: Manifest) -> Had:
    return Had(manifest.image, manifest.generation, manifest.layout, False)
