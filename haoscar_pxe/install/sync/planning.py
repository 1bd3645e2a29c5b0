"""Looks at the standby and makes the plan: what stands there, what is free, what would be done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from haoscar_pxe.errors import StorageError
from haoscar_pxe.image.entry import Entry
from haoscar_pxe.image.folders import open_root
from haoscar_pxe.image.progress import Watched
from haoscar_pxe.install.sync.carry_out import Standby, stage_and_commit
from haoscar_pxe.install.sync.journal import Journal
from haoscar_pxe.install.sync.places import staging_paths
from haoscar_pxe.install.sync.plan import Had, OwnFile, Room, SyncPlan, plan
from haoscar_pxe.install.sync.stage import OwnFirst, chunks_lying_here
from haoscar_pxe.install.sync.survey import Known, survey
from haoscar_pxe.install.sync.wanted import Goal


@dataclass(frozen=True, slots=True)
class Before:
    """What the standby was before.

    goal: the generation it was made from, None if that cannot be read any more: then every file
    is. since_ns: when its tree was known to be that. kept: what a sync leaves alone. hold: why it
    must not be touched now, or "".
    """

    had: Had
    goal: Goal | None
    since_ns: int
    kept: frozenset[bytes]
    hold: str = ""

    def entries(self) -> Iterator[Entry]:
        """What the tree was made to hold; nothing if that is not known."""
        return self.goal.entries() if self.goal else iter(())


def make_plan(goal: Goal, before: Before, standby: Standby, watched: Watched) -> SyncPlan:
    """Compare the tree with the goal and plan what makes it so. Nothing is changed.

    Raises PlanRefusedError, StorageError, IntegrityError.
    """
    known = Known(
        had=before.entries(),
        since_ns=before.since_ns if before.goal else -1,
        kept=before.kept | staging_paths(standby.mount_points),
        free_times=goal.free_times(),
        boxes=lambda: goal.source.boxes,
    )
    try:
        root_fd = open_root(standby.root)
        try:
            with watched("looking at this machine") as progress:
                progress.expect(goal.manifest.stored_bytes)
                found = survey(root_fd, goal.entries(), known, progress)
        finally:
            os.close(root_fd)
        rooms = _rooms(standby)
    except OSError as error:
        raise StorageError(f"cannot look at {standby.root}: {error}") from error
    return plan(goal.manifest, before.had, found, known.kept, rooms, hold=before.hold)


@dataclass(frozen=True, slots=True)
class Committed:
    """own_bytes, fetched_bytes: where the content of new files came from."""

    journal: Journal
    own_bytes: int
    fetched_bytes: int


def commit(
    made: SyncPlan,
    goal: Goal,
    before: Before,
    own: tuple[OwnFile, ...],
    standby: Standby,
    watched: Watched,
) -> Committed:
    """Stage all that the plan needs and commit it. own: files of the standby's own record.

    On an error nothing has changed. Raises StorageError, IntegrityError.
    """
    needed = made.staged.values()
    lying = chunks_lying_here(before.entries(), needed, goal.source.references)
    declared = goal.declared.content | {each.chunk_id: each.content for each in own}
    root_fd = open_root(standby.root)
    try:
        content = OwnFirst(root_fd, lying, declared, goal.source)
        goal.source.hold(content.own)
        with watched("making the new files") as progress:
            journal = stage_and_commit(made.with_own(own), content, standby, progress)
    finally:
        goal.source.hold(lambda chunk_id: None)
        os.close(root_fd)
    return Committed(journal, content.own_bytes, content.fetched_bytes)


def _rooms(standby: Standby) -> list[Room]:
    found = []
    for point, folder in zip(standby.mount_points, standby.folders(), strict=True):
        free = os.statvfs(folder)
        found.append(Room(point, free.f_bavail * free.f_frsize, free.f_favail))
    return found
