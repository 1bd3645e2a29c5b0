"""Makes snapshots, one after the other without a pause, and removes them whatever happens.

Sources: lvcreate(8), lvremove(8), btrfs-subvolume(8), zfs-snapshot(8), zfs-destroy(8).
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, assert_never

from haoscar_pxe.capture.snapshot.listings import parse_lvs
from haoscar_pxe.capture.snapshot.names import LVM_TAG, Maker
from haoscar_pxe.capture.snapshot.plan import DatasetShot, Shot, SubvolumeShot, VolumeShot
from haoscar_pxe.capture.snapshot.sight import SnapshotError
from haoscar_pxe.capture.snapshot.storage import LISTING
from haoscar_pxe.command import Run
from haoscar_pxe.errors import CommandError, HaoscarError

REMOVALS_MAX: Final = 5
REMOVAL_PAUSE_S: Final = 0.3
"""udev opens a volume for a moment when it changes; it cannot be removed just then."""

_INACTIVE: Final = ("--setactivationskip", "y")
"""A thin snapshot is activated by hand only. After a power cut it is no device at the next boot, or
root=UUID=… might find it: unlike plain ones, LVM gives thin ones no low priority in by-uuid."""


@dataclass(frozen=True, slots=True)
class Made:
    """A snapshot that exists."""

    shot: Shot
    name: str


def make_all(
    shots: Sequence[Shot], maker: Maker, tops: Mapping[bytes, Path], run: Run
) -> list[Made]:
    """Make every snapshot, or none: what was made before one fails is removed.

    tops: see `storage.mount_tops`. Raises CommandError, MissingToolError.
    """
    made: list[Made] = []
    try:
        for number, shot in enumerate(shots):
            made.append(Made(shot, maker.name(number)))
            run(_making(made[-1], tops))
    except BaseException:
        # The last one may exist although its command failed; mostly it does not.
        remove_all(made[-1:], tops, run, attempts=1)
        remove_all(made[:-1], tops, run)
        raise
    return made


def remove_all(
    made: Sequence[Made], tops: Mapping[bytes, Path], run: Run, attempts: int = REMOVALS_MAX
) -> list[str]:
    """Remove them, the last one first; what could not be removed, and why."""
    failures = []
    for each in reversed(made):
        try:
            _remove(removal(each, tops), run, attempts)
        except HaoscarError as error:
            failures.append(f"{each.name}: {error}")
    return failures


def overflowed(made: Sequence[Made], run: Run) -> SnapshotError | None:
    """Says that more was changed than a thick snapshot had room for; None if that is not so.

    Such a snapshot is invalid, and what was read of it after that moment are errors or old caches.
    """
    thick = {
        (each.shot.group, each.name): each.shot
        for each in made
        if isinstance(each.shot, VolumeShot) and each.shot.size_bytes
    }
    if not thick:
        return None
    found = {(v.group, v.name): v for v in parse_lvs(run(LISTING).stdout)}
    for key, shot in thick.items():
        volume = found.get(key)
        if volume is None or volume.is_overflowed:
            return SnapshotError(
                f"the snapshot of {shot.group}/{shot.volume} had room for "
                f"{shot.size_bytes >> 20} MiB of changes, and more was changed meanwhile: "
                "nothing was stored",
                hint="raise snapshot_percent in [capture], or capture at a quieter hour",
            )
    return None


def _making(made: Made, tops: Mapping[bytes, Path]) -> list[str]:
    match made.shot:
        case VolumeShot(group, volume, _, size_bytes):
            size = ["--size", f"{size_bytes}b"] if size_bytes else list(_INACTIVE)
            options = ["--addtag", LVM_TAG, "--permission", "r", "--name", made.name]
            return ["lvcreate", "--snapshot", *size, *options, f"{group}/{volume}"]
        case SubvolumeShot(device, path):
            top = tops[device]
            source = os.path.join(top, os.fsdecode(path)) if path else str(top)
            return ["btrfs", "subvolume", "snapshot", "-r", source, str(top / made.name)]
        case DatasetShot(dataset):
            return ["zfs", "snapshot", f"{dataset}@{made.name}"]
        case _:
            assert_never(made.shot)


def removal(made: Made, tops: Mapping[bytes, Path]) -> list[str]:
    """The command that removes it."""
    match made.shot:
        case VolumeShot(group):
            return ["lvremove", "--yes", "--force", f"{group}/{made.name}"]
        case SubvolumeShot(device):
            return ["btrfs", "subvolume", "delete", str(tops[device] / made.name)]
        case DatasetShot(dataset):
            return ["zfs", "destroy", f"{dataset}@{made.name}"]
        case _:
            assert_never(made.shot)


def _remove(argv: Sequence[str], run: Run, attempts: int) -> None:
    for attempt in range(1, attempts + 1):
        try:
            run(argv)
            return
        except CommandError:
            if attempt == attempts:
                raise
            time.sleep(REMOVAL_PAUSE_S * attempt)
