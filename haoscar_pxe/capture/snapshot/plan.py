"""Which file systems are read from a snapshot, and which live and why: a pure decision.

Sources: lvmthin(7), lvcreate(8), btrfs-subvolume(8), zfs-snapshot(8). A btrfs snapshot leaves
nested subvolumes out as empty folders, so each of them that is captured has a snapshot of its own.
Room for a thick snapshot is counted down over the volumes of one group.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from haoscar_pxe.capture.scope.belonging import Decision, place_of
from haoscar_pxe.capture.scope.mounts import Mount, holding, is_below
from haoscar_pxe.capture.snapshot.listings import THIN, THIN_POOL, Subvolume, Volume, VolumeGroup
from haoscar_pxe.capture.snapshot.names import maker_of
from haoscar_pxe.image.manifest import Consistency

READ_ONLY: Final = {
    "ext2": "ro",
    "ext3": "ro,noload",
    "ext4": "ro,noload",
    "xfs": "ro,nouuid,norecovery",
}
"""Mount options by which a snapshot is read as it is. LVM freezes the file system, so its journal
has nothing to play back; xfs refuses a second file system of the same UUID. Not vfat: what owners
and modes it shows is a matter of the options it is mounted with."""
THICK_KINDS: Final = "-oOrRmMC"
SMALLEST_BYTES: Final = 32 << 20
POOL_FULL_PERCENT: Final = 90.0
BOOT_PLACES: Final = (b"boot", b"boot/efi", b"efi")
"""What no service writes to; read live, it keeps no after-hook waiting."""

Mode: TypeAlias = Literal["auto", "off", "require"]


@dataclass(frozen=True, slots=True)
class VolumeShot:
    """Of a logical volume. size_bytes: room for what changes meanwhile, 0 for a thin one."""

    group: str
    volume: str
    kind: str
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class SubvolumeShot:
    """Of a btrfs subvolume. device: as the mount table names it. path: from the top, b"" for it."""

    device: bytes
    path: bytes


@dataclass(frozen=True, slots=True)
class DatasetShot:
    """Of a ZFS dataset."""

    dataset: str


Shot: TypeAlias = VolumeShot | SubvolumeShot | DatasetShot


@dataclass(frozen=True, slots=True)
class View:
    """Where the files at one place of the head are read from, in words too.

    shot: None for the live files. inner: the folder in the shot that is seen at place, b"/" for all
    of it.
    """

    place: bytes
    shot: Shot | None
    reason: str
    inner: bytes = b"/"


@dataclass(frozen=True, slots=True)
class Plan:
    """views: of every captured file system and nested subvolume, those above first.

    boot_places: where no service writes, of the tree that is captured.
    """

    views: tuple[View, ...]
    boot_places: frozenset[bytes] = frozenset()

    @property
    def shots(self) -> tuple[Shot, ...]:
        """Each snapshot once, the top of a btrfs before what lies in it."""
        shots = dict.fromkeys(view.shot for view in self.views if view.shot)
        return tuple(sorted(shots, key=_lies_below_a_top))

    @property
    def consistency(self) -> Consistency:
        """What a generation is that is read so."""
        live = [view for view in self.views if view.shot is None]
        if not live:
            return "snapshot"
        return "live" if len(live) == len(self.views) else "mixed"

    @property
    def is_all_frozen(self) -> bool:
        """Whether services may go on before the files are read."""
        return all(view.shot or view.place in self.boot_places for view in self.views)


def _lies_below_a_top(shot: Shot) -> bool:
    """New snapshots lie at the top of their btrfs; a later snapshot of it would show them."""
    return isinstance(shot, SubvolumeShot) and shot.path != b""


@dataclass(frozen=True, slots=True)
class Storage:
    """What the tools said. subvolumes: by the device of their btrfs. has_zfs: whether there is a
    zfs program. refused: why a tool said nothing, by "lvm", "btrfs" or "zfs".
    """

    volumes: tuple[Volume, ...] = ()
    groups: tuple[VolumeGroup, ...] = ()
    subvolumes: Mapping[bytes, tuple[Subvolume, ...]] = field(default_factory=dict)
    has_zfs: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)


def plan(
    decisions: Sequence[Decision],
    root: bytes,
    excluded: Collection[bytes],
    storage: Storage,
    percent: int,
) -> Plan:
    """Decide for every mount that belongs. excluded: absolute paths that are not captured.

    percent: how much of a plain volume's size its snapshot may take.
    """
    planner = _Planner(decisions, root, excluded, storage, percent)
    views = [view for each in decisions if each.belongs for view in planner.views(each.mount)]
    views.sort(key=lambda view: view.place.rstrip(b"/").split(b"/"))
    boot_places = frozenset(os.path.join(root, place) for place in BOOT_PLACES)
    return Plan(tuple(views), boot_places)


class _Planner:
    """Holds what is left in each volume group while one mount after the other is looked at."""

    def __init__(
        self,
        decisions: Sequence[Decision],
        root: bytes,
        excluded: Collection[bytes],
        storage: Storage,
        percent: int,
    ) -> None:
        self._mounts = [each.mount for each in decisions]
        self._root = root
        self._excluded = excluded
        self._storage = storage
        self._percent = percent
        self._volumes = {volume.number: volume for volume in storage.volumes}
        self._pools = {(v.group, v.name): v for v in storage.volumes if v.kind == THIN_POOL}
        self._groups = {group.name: group for group in storage.groups}
        self._free_bytes = {group.name: group.free_bytes for group in storage.groups}
        self._planned: dict[tuple[int, int], View] = {}

    def views(self, mount: Mount) -> Iterator[View]:
        if mount.kind == "btrfs":
            yield from self._of_btrfs(mount)
        elif mount.kind == "zfs":
            yield self._of_zfs(mount)
        else:
            view = self._planned.get(mount.device) or self._of_volume(mount)
            self._planned[mount.device] = view
            yield View(mount.mount_point, view.shot, view.reason, mount.fs_root)

    def _of_zfs(self, mount: Mount) -> View:
        if not self._storage.has_zfs:
            return self._live(mount, "zfs", "there is no zfs program")
        dataset = os.fsdecode(mount.source)
        reason = f"a ZFS snapshot of {dataset}"
        return View(mount.mount_point, DatasetShot(dataset), reason, mount.fs_root)

    def _of_volume(self, mount: Mount) -> View:
        volume = self._volumes.get(mount.device)
        if volume is None:
            return self._live(mount, "lvm", f"a {mount.kind} on no logical volume")
        name = f"{volume.group}/{volume.name}"
        if mount.kind not in READ_ONLY:
            return self._live(mount, "", f"whether a snapshot of {mount.kind} reads is not known")
        if volume.kind == THIN:
            return self._of_thin(mount, volume, name)
        if volume.kind not in THICK_KINDS:
            return self._live(mount, "", f"{name} is of a kind that takes no snapshot")
        size_bytes = self._room(volume)
        if not size_bytes:
            free_mib = self._free_bytes.get(volume.group, 0) >> 20
            return self._live(mount, "", f"its volume group has only {free_mib} MiB free ({name})")
        reason = f"an LVM snapshot of {name} with room for {size_bytes >> 20} MiB of changes"
        shot = VolumeShot(volume.group, volume.name, mount.kind, size_bytes)
        return View(mount.mount_point, shot, reason)

    def _of_thin(self, mount: Mount, volume: Volume, name: str) -> View:
        pool = self._pools.get((volume.group, volume.pool))
        if pool is not None and pool.used_percent >= POOL_FULL_PERCENT:
            full = f"its thin pool is {pool.used_percent:.0f} % full ({name})"
            return self._live(mount, "", full)
        reason = f"a thin LVM snapshot of {name}"
        return View(mount.mount_point, VolumeShot(volume.group, volume.name, mount.kind), reason)

    def _room(self, volume: Volume) -> int:
        """How large the snapshot becomes, 0 if there is no room for one; it is taken then."""
        group = self._groups.get(volume.group)
        if group is None:
            return 0
        wanted = max(volume.size_bytes * self._percent // 100, SMALLEST_BYTES)
        size_bytes = min(wanted, self._free_bytes[group.name])
        size_bytes -= size_bytes % group.extent_bytes
        if size_bytes < SMALLEST_BYTES:
            return 0
        self._free_bytes[group.name] -= size_bytes
        return size_bytes

    def _of_btrfs(self, mount: Mount) -> Iterator[View]:
        subvolumes = self._storage.subvolumes.get(mount.source)
        if subvolumes is None:
            yield self._live(mount, "btrfs", "its subvolumes were not asked for")
            return
        paths = [each.path for each in subvolumes]
        around = [
            p for p in paths if mount.fs_root == b"/" + p or is_below(mount.fs_root, b"/" + p)
        ]
        own = max(around, key=len, default=b"")
        inner = mount.fs_root[len(own) + 1 :] if own else mount.fs_root[1:]
        yield self._subvolume(mount, mount.mount_point, own, b"/" + inner.lstrip(b"/"))
        for path in sorted(paths):
            place = place_of(b"/" + path, mount)
            if path != own and place is not None and self._is_captured(place, mount):
                yield self._subvolume(mount, place, path, b"/")

    def _is_captured(self, place: bytes, mount: Mount) -> bool:
        """Whether the walk meets the nested subvolume: not one that is hidden, or left out."""
        if place == mount.mount_point or maker_of(os.fsdecode(place.rpartition(b"/")[2])):
            return False
        if any(place == path or is_below(place, path) for path in self._excluded):
            return False
        is_on_the_way = is_below(place, self._root) or place == self._root
        is_on_the_way = is_on_the_way or is_below(self._root, place)
        return is_on_the_way and holding(self._mounts, place) == mount

    def _subvolume(self, mount: Mount, place: bytes, path: bytes, inner: bytes) -> View:
        name = path.decode("utf-8", "backslashreplace") or "the top"
        device = mount.source.decode("utf-8", "backslashreplace")
        reason = f"a btrfs snapshot of {name} on {device}"
        return View(place, SubvolumeShot(mount.source, path), reason, inner)

    def _live(self, mount: Mount, tool: str, reason: str) -> View:
        return View(mount.mount_point, None, self._storage.refused.get(tool, reason))
