"""Which mounted file systems belong to the head: a decision for each, with its reason in words.

A pure function from the mount table and what sysfs says of the devices. The list is what
`capture --verbose` shows and what the report keeps of the mounts left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from haoscar_pxe.capture.disks.devices import BlockDevice
from haoscar_pxe.capture.scope.mounts import Mount, holding, is_below, visible

DeviceOf = Callable[[Mount], BlockDevice | None]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NETWORK = _words(
    "nfs nfs4 cifs smb3 smbfs 9p afs virtiofs coda cvmfs2 ceph lustre lustre_tgt gpfs beegfs "
    "beegfs_nodev panfs orangefs pvfs2 wekafs gfs2 ocfs2 fuse.glusterfs fuse.sshfs fuse.ceph "
    "fuse.cvmfs2 fuse.s3fs fuse.rclone"
)
_KERNEL = _words(
    "proc sysfs devtmpfs devpts cgroup cgroup2 securityfs debugfs tracefs configfs pstore bpf "
    "mqueue efivarfs binfmt_misc fusectl selinuxfs smackfs rpc_pipefs nfsd nsfs"
)
_MEMORY = frozenset({"tmpfs", "ramfs", "hugetlbfs", "rootfs"})
_UNION = frozenset({"overlay", "aufs", "unionfs", "fuse.fuse-overlayfs", "fuse.unionfs"})
_READ_ONLY_IMAGE = frozenset({"squashfs", "iso9660", "udf", "erofs", "cramfs", "romfs"})


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a mounted file system is captured, and why.

    may_hang: even asking for the mount point's mode can block for ever (a server that is gone),
    so a walk must not touch it.
    """

    mount: Mount
    belongs: bool
    reason: str
    may_hang: bool = False


def decide(mounts: Sequence[Mount], root: bytes, device_of: DeviceOf) -> list[Decision]:
    """Decide for the mount that holds root (it always belongs) and for each one below root.

    mounts: in the order of mountinfo, which is the order they were made in. root: absolute,
    without symbolic links. device_of is asked only for mounts whose kind leaves the question
    open. Decisions come in the order of their mount points.
    """
    decider = _Decider(visible(mounts), root, device_of)
    below = [m for m in decider.seen if is_below(m.mount_point, root)]
    below.sort(key=lambda mount: mount.mount_point.split(b"/"))
    base = [decider.base] if decider.base else []
    return [decider.decision(mount) for mount in [*base, *below]]


class _Decider:
    """The decisions of one mount table; each may rest on those of other mounts."""

    def __init__(self, seen: Sequence[Mount], root: bytes, device_of: DeviceOf) -> None:
        self.seen = seen
        self.base = holding(seen, root)
        self._by_place = {mount.mount_point: mount for mount in seen}
        self._root = root
        self._device_of = device_of
        own = device_of(self.base) if self.base else None
        self._root_disks = own.disks if own else frozenset()
        self._made: dict[int, Decision] = {}

    def decision(self, mount: Mount) -> Decision:
        made = self._made.get(mount.mount_id)
        if made is None:
            # Stands while the mounts it rests on are decided, should they rest on this one.
            self._made[mount.mount_id] = Decision(mount, True, "undecided")
            made = self._made[mount.mount_id] = self._decide(mount)
        return made

    def _decide(self, mount: Mount) -> Decision:
        if mount == self.base:
            return Decision(mount, True, "it holds the root of the tree")
        if above := self._left_out_above(mount):
            return Decision(mount, False, f"it is mounted below {above}, which is left out")
        by_kind = _decide_by_kind(mount)
        if by_kind is not None:
            return by_kind
        if original := self._captured_as(mount):
            return Decision(mount, False, f"a second sight of {original}, which is captured")
        return self._decide_by_device(mount)

    def _left_out_above(self, mount: Mount) -> str:
        """The outermost mount point above it that is left out; "" when there is none."""
        found = ""
        place = mount.mount_point
        while is_below(place, self._root):
            place = place.rpartition(b"/")[0] or b"/"
            other = self._by_place.get(place)
            if other and is_below(place, self._root) and not self.decision(other).belongs:
                found = _printable(place)
        return found

    def _captured_as(self, mount: Mount) -> str:
        """The captured place at which the same files are seen; "" when there is none."""
        for other in self._wider_sights(mount):
            place = place_of(mount.fs_root, other)
            if place is None or not (place == self._root or is_below(place, self._root)):
                continue
            if holding(self.seen, place) == other and self.decision(other).belongs:
                return _printable(place)
        return ""

    def _wider_sights(self, mount: Mount) -> Iterator[Mount]:
        """Other mounts of the device that show all that this one does, and were there first.

        Two sub-volumes of one btrfs share a device but not a folder: neither shows the other.
        """
        is_earlier = True
        for other in self.seen:
            if other == mount:
                is_earlier = False
            elif other.device == mount.device and (
                is_below(mount.fs_root, other.fs_root)
                or (is_earlier and mount.fs_root == other.fs_root)
            ):
                yield other

    def _decide_by_device(self, mount: Mount) -> Decision:
        device = self._device_of(mount)
        if device is None:
            return Decision(mount, False, f"not on a block device of this machine ({mount.kind})")
        if device.passing and not device.disks & self._root_disks:
            return Decision(mount, False, f"on {device.passing} ({device.name})")
        return Decision(mount, True, f"{mount.kind} on the fixed disk device {device.name}")


def _decide_by_kind(mount: Mount) -> Decision | None:
    kind = mount.kind
    if kind in _NETWORK:
        return Decision(mount, False, f"a network file system ({kind})", may_hang=True)
    if kind == "autofs":
        return Decision(mount, False, "an automounter's mount point (autofs)", may_hang=True)
    if kind in _UNION:
        return Decision(mount, False, f"a union ({kind}) of folders that are captured themselves")
    if kind == "fuse" or kind.startswith("fuse."):
        return Decision(mount, False, f"served by a program ({kind})", may_hang=True)
    if kind in _KERNEL:
        return Decision(mount, False, f"made by the kernel ({kind})")
    if kind in _MEMORY:
        return Decision(mount, False, f"in memory ({kind})")
    if kind in _READ_ONLY_IMAGE:
        return Decision(mount, False, f"a read-only image ({kind})")
    if kind == "zfs":
        return Decision(mount, True, "a local file system (zfs)")
    return None


def place_of(fs_path: bytes, mount: Mount) -> bytes | None:
    """Where mount shows this path of its file system; None when it does not show it."""
    if fs_path == mount.fs_root:
        return mount.mount_point
    if not is_below(fs_path, mount.fs_root):
        return None
    inner = fs_path[len(mount.fs_root.rstrip(b"/")) :]
    return mount.mount_point.rstrip(b"/") + inner


def _printable(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
