"""A primary's tree, its image, and a standby made from it, all in one temporary folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from haoscar_pxe.image.compare import compare
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.progress import Silence, unwatched
from haoscar_pxe.image.reader import ChunkReader, entries
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.restore import restore
from haoscar_pxe.image.signing import TrustedKeys
from haoscar_pxe.image.source import FolderSource
from haoscar_pxe.install import identity
from haoscar_pxe.install.sync import journal as journals
from haoscar_pxe.install.sync.barrier import sync_only
from haoscar_pxe.install.sync.carry_out import Standby, finish
from haoscar_pxe.install.sync.fetching import Fetching
from haoscar_pxe.install.sync.journal import Mounted
from haoscar_pxe.install.sync.plan import Had, SyncPlan
from haoscar_pxe.install.sync.planning import Before, Committed, commit, make_plan
from haoscar_pxe.install.sync.wanted import Declared, Goal
from haoscar_pxe.nodes.order import IdentityChange
from tests.unit.image.tree_reading import KEY, store_tree

IDENTITY = (
    IdentityChange(path=b"etc/hostname", content=b"standby\n", reason="its name"),
    IdentityChange(path=b"etc/machine-id", content=None, reason="made at its first boot"),
    IdentityChange(path=b"etc/net/card", content=b"10.77.0.20\n", mode=0o600, reason="its own"),
)
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

    @property
    def trusted(self) -> TrustedKeys:
        return TrustedKeys.of(KEY.public)

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

    def goal(self, manifest: Manifest) -> Goal:
        """The generation under the standby's identity."""
        source = FolderSource(self.folder / "repository")
        return Goal(manifest, Fetching(source, manifest), Declared.of(IDENTITY))

    def before(self, had: Manifest, since_ns: int = NOW_NS) -> Before:
        """What the standby was made from, and is known to have been since."""
        facts = Had(had.image, had.generation, had.layout, False)
        return Before(facts, self.goal(had) if since_ns >= 0 else None, since_ns, self.kept)

    def plan(self, had: Manifest, manifest: Manifest, since_ns: int = NOW_NS) -> SyncPlan:
        """What a sync of the standby would do."""
        before = self.before(had, since_ns)
        return make_plan(self.goal(manifest), before, self.standby, unwatched)

    def sync(self, had: Manifest, manifest: Manifest, since_ns: int = NOW_NS) -> SyncPlan:
        """All of a sync."""
        made = self.plan(had, manifest, since_ns)
        self.carry_out(had, made)
        return made

    def carry_out(self, had: Manifest, made: SyncPlan) -> Committed:
        """From the plan to the end."""
        committed = self.commit(had, made)
        self.finish()
        return committed

    def commit(self, had: Manifest, made: SyncPlan) -> Committed:
        """Only up to the commit."""
        goal, before = self.goal(made.manifest), self.before(had)
        return commit(made, goal, before, (), self.standby, unwatched)

    def finish(self) -> None:
        """What the next start does: finish whatever was committed."""
        standby = self.standby
        if (committed := journals.read(standby.boot_folder)) is not None:
            finish(committed, standby, Silence())

    def differences(self, manifest: Manifest) -> list[str]:
        """All that is not as the generation and the identity say."""
        wanted = list(self.goal(manifest).entries())
        paths = {change.path for change in IDENTITY}
        return [
            str(each)
            for each in compare(wanted, self.tree, Silence(), ignored=self.kept)
            if not (each.aspect == "mtime" and each.path in paths)
            and not (each.path == b"etc/net" and each.aspect == "mtime")
        ]
