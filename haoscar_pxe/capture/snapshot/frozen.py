"""The tree as it was at one moment: snapshots are made, looked at for a block, and removed.

Steps: a mount namespace of our own, what the storage is, leftovers away, the plan, all snapshots
at once, the tree put together from them. Then services may go on, while the block reads. At the end
a snapshot that overflowed fails the capture; whatever happened, the snapshots are removed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Final

from haoscar_pxe.capture.scope.belonging import Decision
from haoscar_pxe.capture.scope.mounts import is_below, parse_mountinfo
from haoscar_pxe.capture.snapshot.assembly import SHOTS, TREE, assemble, devices, in_tree
from haoscar_pxe.capture.snapshot.leftovers import sweep
from haoscar_pxe.capture.snapshot.making import Made, make_all, overflowed, remove_all
from haoscar_pxe.capture.snapshot.names import this_process
from haoscar_pxe.capture.snapshot.namespace import STAGE, PrivateMounts, private_mounts
from haoscar_pxe.capture.snapshot.plan import Plan, Storage, plan
from haoscar_pxe.capture.snapshot.sight import Sight, SnapshotError, Wish, readings
from haoscar_pxe.capture.snapshot.storage import ask, captured, may_be_frozen, mount_tops
from haoscar_pxe.capture.snapshot.top_times import give_back, times, unchanged
from haoscar_pxe.capture.warning import CaptureWarning
from haoscar_pxe.command import Run
from haoscar_pxe.errors import CommandError, HaoscarError

log = logging.getLogger(__name__)

HINT: Final = "'haoscar-pxe capture --snapshot off' reads the live files"


@dataclass(frozen=True, slots=True)
class Tree:
    """What is to be read. root: absolute, without symbolic links. root_fd: of the live tree.

    excluded: absolute paths that are not captured. is_live: whether it is the running head.
    """

    root: bytes
    root_fd: int
    decisions: Sequence[Decision]
    excluded: Collection[bytes]
    is_live: bool


@contextmanager
def frozen(tree: Tree, wish: Wish, resume: Callable[[], None], run: Run) -> Iterator[Sight]:
    """The tree by snapshots where there can be any. resume: called once nothing that a service
    writes to will be read live.

    Raises SnapshotError: required and not to be had, overflowed, or not to be removed; and what
    resume raises. Where they are only wished for, a snapshot that fails is a warning of the sight.
    """
    if wish.mode == "off" or (wish.mode == "auto" and not tree.is_live):
        yield Sight(tree.root_fd)
        return
    with ExitStack() as stack:
        frost = _Frost(run)
        try:
            sight = _freeze(tree, wish, frost, stack)
        except (HaoscarError, OSError) as error:
            stack.close()
            sight = _without(tree, wish, error)
            frost.made = ()
        if frost.made and frost.plan.is_all_frozen:
            resume()
        try:
            yield sight
        except (HaoscarError, OSError) as error:
            if overflow := overflowed(frost.made, run):
                raise overflow from error
            raise
        if overflow := overflowed(frost.made, run):
            raise overflow


@dataclass(slots=True)
class _Frost:
    """What is to be undone: mounts below STAGE, in a namespace of our own, and snapshots."""

    run: Run
    plan: Plan = field(default_factory=lambda: Plan(()))
    tops: Mapping[bytes, Path] = field(default_factory=dict)
    made: Sequence[Made] = ()
    times_before: Mapping[Path, int] = field(default_factory=dict)
    times_during: Mapping[Path, int] = field(default_factory=dict)

    def make(self) -> None:
        """Make the planned snapshots, or none. Raises CommandError, MissingToolError, OSError."""
        self.times_before = times(self.tops.values())
        self.made = make_all(self.plan.shots, this_process(), self.tops, self.run)
        self.times_during = times(self.tops.values())

    def undo(self, mounts: PrivateMounts, error: BaseException | None) -> None:
        """Unmount and remove. Raises SnapshotError if a snapshot could not be removed."""
        with mounts.entered():
            for place in (STAGE / TREE, STAGE / SHOTS):
                self._unmount_below(place)
            untouched = unchanged(self.times_during)
            failures = remove_all(self.made, self.tops, self.run)
            give_back(self.times_before, untouched)
            self._unmount_below(STAGE)
        if failures and (error is None or isinstance(error, HaoscarError)):
            before = f"{error}\nbesides, " if error else ""
            raise SnapshotError(
                f"{before}a snapshot could not be removed: {'; '.join(failures)}",
                hint="remove it by hand, or capture again: the next capture tries it first",
            ) from error

    def _unmount_below(self, place: Path) -> None:
        for mounted in sorted(_mounted_at(place), reverse=True):
            with suppress(CommandError):
                self.run(["umount", os.fsdecode(mounted)])


def _freeze(tree: Tree, wish: Wish, frost: _Frost, stack: ExitStack) -> Sight:
    """Make the snapshots and put the tree together; stack undoes it.

    Raises SnapshotError (required), CommandError, MissingToolError, CaptureError, OSError.
    """
    run, mounts = frost.run, captured(tree.decisions)
    if not any(map(may_be_frozen, mounts)):
        return _live_sight(tree, wish, frost, Storage())
    namespace = stack.enter_context(private_mounts())

    def undo(
        kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        frost.undo(namespace, error)

    stack.push(undo)
    with namespace.entered():
        STAGE.mkdir(mode=0o700, exist_ok=True)
        run(["mount", "-t", "tmpfs", "-o", "mode=0700", "haoscar-pxe", str(STAGE)])
        frost.tops = mount_tops(mounts, STAGE / "tops", run)
        found = ask(mounts, frost.tops, run)
        swept = sweep(found, run)
        if swept.count:
            log.info("removed %d snapshots of captures that were killed", swept.count)
            found = ask(mounts, frost.tops, run)
        sight = _live_sight(tree, wish, frost, found.storage)
        if not frost.plan.shots:
            return replace(sight, warnings=swept.warnings)
        frost.make()
        assemble(frost.plan, frost.made, tree.decisions, STAGE, frost.tops, run)
        root = in_tree(tree.root, frost.plan.views[0].place, STAGE)
        root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, root_fd)
        return replace(
            sight,
            root_fd=root_fd,
            devices=devices(frost.plan, STAGE),
            warnings=swept.warnings,
        )


def _live_sight(tree: Tree, wish: Wish, frost: _Frost, storage: Storage) -> Sight:
    """Plan; the live tree with what the plan says of it. Raises SnapshotError (required)."""
    frost.plan = plan(tree.decisions, tree.root, tree.excluded, storage, wish.percent)
    if wish.mode == "require":
        _refuse_live(frost.plan)
    return Sight(tree.root_fd, frost.plan.consistency, readings(frost.plan))


def _refuse_live(made: Plan) -> None:
    if not made.is_all_frozen:
        live = [view for view in made.views if view.shot is None]
        reasons = "; ".join(f"{os.fsdecode(view.place)}: {view.reason}" for view in live)
        raise SnapshotError(f"snapshots are required, and there can be none of {reasons}")


def _without(tree: Tree, wish: Wish, error: HaoscarError | OSError) -> Sight:
    """The live tree, where snapshots are only wished for."""
    if wish.mode == "require":
        if isinstance(error, SnapshotError):
            raise error
        raise SnapshotError(f"snapshots are required and failed: {error}", hint=HINT) from error
    warning = CaptureWarning(f"the live files were read, since a snapshot failed: {error}", HINT)
    return Sight(tree.root_fd, warnings=(warning,))


def _mounted_at(place: Path) -> Iterator[bytes]:
    """Mount points at and below place in the namespace that this thread is in."""
    wanted = os.fsencode(place)
    for mount in parse_mountinfo(Path("/proc/thread-self/mountinfo").read_bytes()):
        if mount.mount_point == wanted or is_below(mount.mount_point, wanted):
            yield mount.mount_point
