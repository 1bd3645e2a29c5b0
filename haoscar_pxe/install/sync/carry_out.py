"""From a plan to the new generation: stage, commit, finish; and the way back before the commit.

Whatever happens before the commit leaves the tree as it was, whatever happens after it is finished
by running `finish` again, here or in the finisher that GRUB boots.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from haoscar_pxe.errors import StorageError
from haoscar_pxe.image.durable import storage_error
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.install.sync import journal as journals
from haoscar_pxe.install.sync.apply import apply
from haoscar_pxe.install.sync.barrier import Settle
from haoscar_pxe.install.sync.journal import Journal, Mounted
from haoscar_pxe.install.sync.places import Places, remove_staging
from haoscar_pxe.install.sync.plan import SyncPlan, mount_points
from haoscar_pxe.install.sync.stage import Content, stage


@dataclass(frozen=True, slots=True)
class Standby:
    """The standby's tree. root: "/" or where its file systems are mounted.

    mounted: "/" first. boot_folder: where the journal stands. settle: the barrier of its disks.
    """

    root: Path
    mounted: tuple[Mounted, ...]
    boot_folder: Path
    settle: Settle

    @property
    def mount_points(self) -> list[bytes]:
        """Relative to the root, b"" among them."""
        return mount_points(self.mounted)

    def folders(self) -> list[Path]:
        """One on each file system."""
        return [self.root / os.fsdecode(point) for point in self.mount_points]


def stage_and_commit(
    plan: SyncPlan, content: Content, standby: Standby, progress: Progress
) -> Journal:
    """Make all new files beside the tree, then commit. On an error nothing has changed.

    Raises StorageError, and what reading chunks raises.
    """
    made = Journal(
        image=plan.manifest.image,
        generation=plan.manifest.generation,
        manifest_id=plan.manifest.id,
        mounted=standby.mounted,
        steps=plan.steps,
    )
    progress.expect(plan.new_bytes)
    with _told(standby), _undone_on_failure(standby):
        remove_staging(standby.root, standby.mount_points)
        with Places(standby.root, standby.mount_points) as places:
            stage(plan.staged, content, places, progress)
        journals.commit(standby.boot_folder, made)
    with _told(standby):
        standby.settle([*standby.folders(), standby.boot_folder])
    return made


def finish(journal: Journal, standby: Standby, progress: Progress) -> Sequence[bytes]:
    """Do what was committed, as often as it takes; the journal goes last.

    Returns the paths that vanished meanwhile, see `apply`. Raises StorageError: may be run again.
    """
    with _told(standby):
        with Places(standby.root, standby.mount_points) as places:
            vanished = apply(journal.steps, places, progress)
        remove_staging(standby.root, standby.mount_points)
        standby.settle([*standby.folders(), standby.boot_folder])
        journals.close(standby.boot_folder)
        standby.settle([standby.boot_folder])
    return vanished


@contextmanager
def _told(standby: Standby) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _in_words(standby, error) from error


def _in_words(standby: Standby, error: OSError) -> StorageError:
    name = error.filename
    where = os.fsdecode(name) if isinstance(name, str | bytes) else ""
    told = storage_error("sync", standby.root / where, error)
    return StorageError(str(told), hint="run the same command again when the reason is gone")


@contextmanager
def _undone_on_failure(standby: Standby) -> Iterator[None]:
    """Before the commit all that there is to undo are the staging folders."""
    try:
        yield
    except BaseException:
        if not (standby.boot_folder / journals.NAME).exists():
            remove_staging(standby.root, standby.mount_points)
        raise
