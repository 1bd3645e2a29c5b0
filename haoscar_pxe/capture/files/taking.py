"""Takes a tree into a sink: survey, walk and read, disk layout, and what is to be said about it.

It knows no repository: the sink is a repository's writer on this machine (`capture.py`), or the
connection to one (`remote_agent.py`). What it gives can go through that connection.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from haoscar_pxe.capture.advice import Adviser
from haoscar_pxe.capture.disks.default_layout import default_layout
from haoscar_pxe.capture.disks.layout import with_usage
from haoscar_pxe.capture.files.known import Recapture
from haoscar_pxe.capture.files.reading import Clock
from haoscar_pxe.capture.files.sealed_tree import SealedTree
from haoscar_pxe.capture.files.secrets import Sealing
from haoscar_pxe.capture.files.tree import Captured, EntrySink, capture_tree, content_bytes
from haoscar_pxe.capture.files.walk import Losses, walk
from haoscar_pxe.capture.scope.belonging import Decision
from haoscar_pxe.capture.scope.scope import LeftOut
from haoscar_pxe.capture.snapshot.frozen import Tree, frozen
from haoscar_pxe.capture.snapshot.sight import Reading, Sight, Wish
from haoscar_pxe.capture.survey import Question, Survey, survey
from haoscar_pxe.capture.warning import CaptureWarning
from haoscar_pxe.command import Run
from haoscar_pxe.errors import CaptureError
from haoscar_pxe.image.attributes import sync_file_system
from haoscar_pxe.image.folders import FOLDER_FLAGS, open_below
from haoscar_pxe.image.layout import DiskLayout, file_systems
from haoscar_pxe.image.manifest import Consistency, Record
from haoscar_pxe.image.progress import Progress


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be taken.

    root: the tree, "/" for the running head. image: whose generation it becomes. never: absolute
    paths that do not belong, each with its reason; a folder among them is kept empty. layout:
    instead of the machine's own or the default. live: root is the running head. sealing: what of it
    is sealed, and by which key. wish: whether it is read from snapshots.
    """

    root: Path
    image: str
    never: Mapping[bytes, str]
    sealing: Sealing
    layout: DiskLayout | None
    live: bool
    wish: Wish = field(default_factory=Wish)


@dataclass(frozen=True, slots=True)
class Taken:
    """A tree whose entries are all in the sink; the rest of what is known about it.

    mounts: the decision on every mount. left_out: what was not taken, and why. vanished: names
    that went away meanwhile. Paths are relative to the root. readings: which file systems were read
    from a snapshot, which live; empty if nobody asked for snapshots.
    """

    record: Record
    mounts: tuple[Decision, ...]
    left_out: tuple[LeftOut, ...]
    vanished: tuple[bytes, ...]
    warnings: tuple[CaptureWarning, ...]
    readings: tuple[Reading, ...] = ()


def take(
    subject: Subject,
    sink: EntrySink,
    progress: Progress,
    run: Run,
    clock: Clock,
    again: Recapture | None = None,
    resume: Callable[[], None] = lambda: None,
) -> Taken:
    """Put the tree into the sink. again: where the sink's repository is on this machine. resume:
    called early if snapshots hold all that services write to.

    Raises CaptureError, CommandError, MissingToolError (the tree or its disks cannot be captured)
    and whatever the sink raises.
    """
    created_ns = time.time_ns()
    with _opened(subject.root) as (root, root_fd):
        found = survey(Question(root, root_fd, subject.never, subject.live, subject.layout), run)
        if again is not None or subject.wish.mode != "off":
            # Before a snapshot as well: the less is left to write, the shorter is the freeze.
            is_synced = _sync(root_fd, found.scope.mount_points)
            if again is not None and not is_synced:
                again.statuses.distrust()
        with frozen(_tree(subject, found, root, root_fd), subject.wish, resume, run) as sight:
            captured = _captured(subject, found, sight, sink, progress, clock, again)
    progress.expect(captured.stored_bytes)
    record = Record(
        created_ns=created_ns,
        host_name=found.host_name,
        consistency=_consistency(subject, sight),
        layout=_layout(subject.image, found, captured),
        unstable=captured.unstable,
    )
    return _taken(found, captured, record, sight)


def _tree(subject: Subject, found: Survey, root: bytes, root_fd: int) -> Tree:
    excluded = [os.path.join(root, path) for path in found.scope.excluded]
    return Tree(root, root_fd, found.decisions, excluded, subject.live)


def _captured(
    subject: Subject,
    found: Survey,
    sight: Sight,
    sink: EntrySink,
    progress: Progress,
    clock: Clock,
    again: Recapture | None,
) -> Captured:
    """Walk and read what is to be seen."""
    sealed = SealedTree(subject.sealing, sight.root_fd, found.scope)
    if again is not None:
        again.read_as(sight.devices)
    if again is None or again.known is None:
        with closing(walk(sight.root_fd, found.scope, Losses())) as visits:
            progress.expect(content_bytes(sealed.linked.noting(visits)))
    else:
        progress.expect(again.expected_bytes)
    return capture_tree(
        sight.root_fd,
        found.scope,
        _places(found),
        sink,
        progress,
        clock,
        again.known if again else None,
        again.statuses if again else None,
        sealed,
    )


def _consistency(subject: Subject, sight: Sight) -> Consistency:
    """Live is said of a running head only, snapshot and mixed of any tree."""
    if sight.consistency in ("snapshot", "mixed"):
        return sight.consistency
    return "live" if subject.live else "tree"


@contextmanager
def _opened(root: Path) -> Iterator[tuple[bytes, int]]:
    """The root's path without symbolic links, and a descriptor of it.

    Raises CaptureError, also for an OSError in the block: whatever is read there is of the tree.
    """
    try:
        path = os.path.realpath(os.fsencode(root), strict=True)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise CaptureError(
            f"{root} cannot be captured: {error.strerror}", hint="name a folder with --root"
        ) from error
    try:
        yield path, fd
    except OSError as error:
        raise CaptureError(
            f"{root} cannot be captured: {error}", hint="'dmesg' tells if its disk is failing"
        ) from error
    finally:
        os.close(fd)


def _sync(root_fd: int, mount_points: frozenset[bytes]) -> bool:
    """Write back every file system that belongs; False if one could not be."""
    try:
        for point in mount_points:
            fd = open_below(root_fd, point)
            try:
                readable = os.open(b".", FOLDER_FLAGS, dir_fd=fd)
            finally:
                os.close(fd)
            try:
                sync_file_system(readable)
            finally:
                os.close(readable)
    except OSError:
        return False
    return True


def _places(found: Survey) -> frozenset[bytes]:
    """Where to count used bytes: at every mount point, of the tree and of its layout."""
    layout = found.layout
    points = [fs.mount_point for fs in file_systems(layout)] if layout else []
    return found.scope.mount_points | {os.fsencode(point.strip("/")) for point in points}


def _layout(image: str, found: Survey, captured: Captured) -> DiskLayout:
    if found.layout is not None:
        return with_usage(found.layout, _by_mount_point(captured.used_bytes))
    used_bytes = sum(captured.used_bytes.values())
    return default_layout(image, found.boot, found.fstab, used_bytes, captured.entries)


def _by_mount_point(used_bytes: Mapping[bytes, int]) -> dict[str, int]:
    return {"/" + os.fsdecode(place): used for place, used in used_bytes.items()}


def _taken(found: Survey, captured: Captured, record: Record, sight: Sight) -> Taken:
    adviser = Adviser(
        layout=record.layout,
        fstab=found.fstab,
        decisions=found.decisions,
        running=found.running,
        initrd=found.initrd,
    )
    meanwhile = (
        LeftOut(path, "mounted while the capture ran") for path in captured.mounted_meanwhile
    )
    return Taken(
        record=record,
        mounts=found.decisions,
        left_out=(*found.scope.left_out(), *meanwhile),
        vanished=captured.vanished,
        warnings=(*found.warnings, *sight.warnings, *adviser.warnings()),
        readings=sight.readings,
    )
