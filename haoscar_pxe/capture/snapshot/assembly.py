"""Puts the head's tree together from mounted snapshots and live file systems, below one folder.

Paths in it are those of the head, so the walk and its scope need not know. What is left out of the
capture is there as well, as far as that is safe, since of its mount point owner and mode are kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, assert_never

from haoscar_pxe.capture.scope.belonging import Decision
from haoscar_pxe.capture.scope.mounts import is_below
from haoscar_pxe.capture.scope.scope import relative
from haoscar_pxe.capture.snapshot.making import Made
from haoscar_pxe.capture.snapshot.plan import (
    READ_ONLY,
    DatasetShot,
    Plan,
    Shot,
    SubvolumeShot,
    VolumeShot,
)
from haoscar_pxe.command import Run
from haoscar_pxe.errors import CommandError

TREE: Final = "tree"
SHOTS: Final = "shots"


def assemble(
    plan: Plan,
    made: Sequence[Made],
    decisions: Sequence[Decision],
    stage: Path,
    tops: Mapping[bytes, Path],
    run: Run,
) -> None:
    """Mount it all at stage/TREE, inside a namespace of our own. Raises CommandError, OSError."""
    places = {
        each.shot: _mounted(each, number, stage, tops, run) for number, each in enumerate(made)
    }
    base = plan.views[0].place
    (stage / TREE).mkdir()
    for view in plan.views:
        origin = _inner(places[view.shot], view.inner) if view.shot else view.place
        _bind(origin, in_tree(view.place, base, stage), run)
    for place in _left_out(decisions):
        with suppress(CommandError):  # only its owner and mode are lost
            _bind(place, in_tree(place, base, stage), run)


def in_tree(path: bytes, base: bytes, stage: Path) -> bytes:
    """Where a path of the head is below stage. base: the mount point that holds the root."""
    tree = os.fsencode(stage / TREE)
    return tree if path == base else tree + b"/" + relative(path, base)


def devices(plan: Plan, stage: Path) -> dict[int, int]:
    """st_dev in each snapshot, and st_dev of what it was taken of. Raises OSError."""
    base = plan.views[0].place
    return {
        os.lstat(in_tree(view.place, base, stage)).st_dev: os.lstat(view.place).st_dev
        for view in plan.views
        if view.shot
    }


def _mounted(made: Made, number: int, stage: Path, tops: Mapping[bytes, Path], run: Run) -> bytes:
    """Where all of the snapshot is to be seen."""
    shot: Shot = made.shot
    place = stage / SHOTS / str(number)
    match shot:
        case SubvolumeShot(top):
            return os.fsencode(tops[top] / made.name)
        case VolumeShot(group, _, kind, size_bytes):
            place.mkdir(parents=True)
            if not size_bytes:
                activate = ["lvchange", "--activate", "y", "--ignoreactivationskip"]
                run([*activate, f"{group}/{made.name}"])
            device = f"/dev/{group}/{made.name}"
            run(["mount", "-t", kind, "-o", READ_ONLY[kind], device, str(place)])
        case DatasetShot(dataset):
            place.mkdir(parents=True)
            run(["mount", "-t", "zfs", "-o", "ro", f"{dataset}@{made.name}", str(place)])
        case _:
            assert_never(shot)
    return os.fsencode(place)


def _inner(shot: bytes, inner: bytes) -> bytes:
    return shot + inner.rstrip(b"/")


def _bind(origin: bytes, place: bytes, run: Run) -> None:
    run(["mount", "--bind", os.fsdecode(origin), os.fsdecode(place)])


def _left_out(decisions: Sequence[Decision]) -> Iterator[bytes]:
    """Mount points that are kept empty, but for those below another and those that may hang."""
    left = [each for each in decisions if not each.belongs]
    places = [each.mount.mount_point for each in left]
    for each in left:
        place = each.mount.mount_point
        if not each.may_hang and not any(is_below(place, other) for other in places):
            yield place
