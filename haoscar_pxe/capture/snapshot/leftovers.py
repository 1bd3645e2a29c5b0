"""Finds the snapshots of captures that were killed, and removes them before new ones are made."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from haoscar_pxe.capture.snapshot.making import Made, remove_all
from haoscar_pxe.capture.snapshot.names import LVM_TAG, Maker, is_alive, maker_of
from haoscar_pxe.capture.snapshot.plan import DatasetShot, SubvolumeShot, VolumeShot
from haoscar_pxe.capture.snapshot.storage import Found
from haoscar_pxe.capture.warning import CaptureWarning
from haoscar_pxe.command import Run


@dataclass(frozen=True, slots=True)
class Swept:
    """count: how many were removed. warnings: about each that could not be."""

    count: int
    warnings: tuple[CaptureWarning, ...]


def sweep(found: Found, run: Run) -> Swept:
    """Remove every snapshot whose maker does not run any more."""
    left = list(leftovers(found, is_alive))
    failures = remove_all(left, found.tops, run)
    warnings = [
        CaptureWarning(
            f"a snapshot of a capture that was killed could not be removed: {failure}",
            "remove it by hand; the head's disk is slower and fuller while it exists",
        )
        for failure in failures
    ]
    return Swept(len(left) - len(failures), tuple(warnings))


def leftovers(found: Found, is_alive: Callable[[Maker], bool]) -> Iterator[Made]:
    """The snapshots with a name of ours, of LVM also with our tag, that have lost their maker."""

    def is_lost(name: str) -> bool:
        maker = maker_of(name)
        return maker is not None and not is_alive(maker)

    for volume in found.storage.volumes:
        if LVM_TAG in volume.tags and is_lost(volume.name):
            yield Made(VolumeShot(volume.group, volume.name, ""), volume.name)
    for device, subvolumes in found.storage.subvolumes.items():
        for subvolume in subvolumes:
            name = os.fsdecode(subvolume.path)
            if is_lost(name):
                yield Made(SubvolumeShot(device, subvolume.path), name)
    for snapshot in found.zfs_snapshots:
        dataset, _, name = snapshot.partition("@")
        if is_lost(name):
            yield Made(DatasetShot(dataset), name)
