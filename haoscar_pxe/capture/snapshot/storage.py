"""Asks LVM, btrfs and ZFS what there is of the captured file systems, each only if it is in use.

A tool that is missing or fails is a reason in the plan, not an error: its file systems are then
read live.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from haoscar_pxe.capture.scope.belonging import Decision
from haoscar_pxe.capture.scope.mounts import Mount
from haoscar_pxe.capture.snapshot.listings import (
    LVS_FIELDS,
    REPORT,
    VGS_FIELDS,
    Subvolume,
    Volume,
    VolumeGroup,
    parse_lvs,
    parse_subvolumes,
    parse_vgs,
    parse_zfs_snapshots,
)
from haoscar_pxe.capture.snapshot.plan import Storage
from haoscar_pxe.command import Run
from haoscar_pxe.errors import HaoscarError, MissingToolError

SYS: Final = Path("/sys")
LISTING: Final = ("lvs", *REPORT, "-o", LVS_FIELDS)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """storage: for the plan. tops: where the top of each btrfs is mounted. zfs_snapshots: all."""

    storage: Storage
    tops: Mapping[bytes, Path]
    zfs_snapshots: tuple[str, ...] = ()


def captured(decisions: Iterable[Decision]) -> list[Mount]:
    """The mounts that belong."""
    return [each.mount for each in decisions if each.belongs]


def mount_tops(mounts: Iterable[Mount], folder: Path, run: Run) -> dict[bytes, Path]:
    """Mount the top of each btrfs below folder, inside a namespace of our own.

    One that does not mount is left out; the plan then says that it was not asked.
    """
    tops: dict[bytes, Path] = {}
    devices = dict.fromkeys(mount.source for mount in mounts if mount.kind == "btrfs")
    for number, device in enumerate(devices):
        top = folder / str(number)
        top.mkdir(parents=True)
        try:
            run(["mount", "-t", "btrfs", "-o", "subvolid=5", os.fsdecode(device), str(top)])
        except HaoscarError:
            continue
        tops[device] = top
    return tops


def ask(mounts: Iterable[Mount], tops: Mapping[bytes, Path], run: Run) -> Found:
    """Ask about these mounts. tops: as `mount_tops` gave them."""
    mounts, refused = list(mounts), dict[str, str]()
    nothing: tuple[list[Volume], list[VolumeGroup]] = [], []
    volumes, groups = (
        _asked("lvm", lambda: _lvm(run), nothing, refused)
        if any(map(is_on_lvm, mounts))
        else nothing
    )
    unknown: dict[bytes, tuple[Subvolume, ...]] = {}
    subvolumes = _asked("btrfs", lambda: _subvolumes(tops, run), unknown, refused)
    has_zfs = any(mount.kind == "zfs" for mount in mounts)
    shots = _asked("zfs", lambda: _zfs_snapshots(run), None, refused) if has_zfs else None
    storage = Storage(tuple(volumes), tuple(groups), subvolumes, shots is not None, refused)
    return Found(storage, tops, tuple(shots or ()))


def may_be_frozen(mount: Mount) -> bool:
    """Whether it is of a kind that has snapshots at all."""
    return mount.kind in ("btrfs", "zfs") or is_on_lvm(mount)


def is_on_lvm(mount: Mount, sys: Path = SYS) -> bool:
    """Whether the mounted device itself is a logical volume: its device-mapper uuid says so."""
    major, minor = mount.device
    try:
        uuid = (sys / f"dev/block/{major}:{minor}/dm/uuid").read_text()
    except OSError:
        return False
    return uuid.startswith("LVM-")


def _asked(tool: str, ask: Callable[[], T], otherwise: T, refused: dict[str, str]) -> T:
    try:
        return ask()
    except MissingToolError as error:
        refused[tool] = f"no snapshot of its {tool}: {error}"
    except HaoscarError as error:
        refused[tool] = f"{tool} could not be asked: {str(error).splitlines()[0]}"
    return otherwise


def _lvm(run: Run) -> tuple[list[Volume], list[VolumeGroup]]:
    groups = run(["vgs", *REPORT, "-o", VGS_FIELDS])
    return parse_lvs(run(LISTING).stdout), parse_vgs(groups.stdout)


def _subvolumes(tops: Mapping[bytes, Path], run: Run) -> dict[bytes, tuple[Subvolume, ...]]:
    listed = {}
    for device, top in tops.items():
        listing = run(["btrfs", "subvolume", "list", str(top)])
        listed[device] = tuple(parse_subvolumes(listing.stdout))
    return listed


def _zfs_snapshots(run: Run) -> list[str]:
    listing = run(["zfs", "list", "-H", "-t", "snapshot", "-o", "name"])
    return parse_zfs_snapshots(listing.stdout)
