"""What belongs to the head: every decision, and that its reason names the cause."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.capture.disks.devices import BlockDevice
from haoscar_pxe.capture.scope.belonging import Decision, decide
from haoscar_pxe.capture.scope.mounts import Mount, parse_mountinfo
from tests.unit.capture.recording import mount

ROOT = mount(1, b"/", parent=0)
SECOND_DISK = (8, 17)


def device_of(one: Mount) -> BlockDevice | None:
    devices = {
        (8, 1): BlockDevice("sda1", frozenset({"sda"})),
        SECOND_DISK: BlockDevice("sdb1", frozenset({"sdb"})),
        (8, 33): BlockDevice("sdc1", frozenset({"sdc"}), "a disk on USB"),
        (7, 0): BlockDevice("loop0", frozenset({"loop0"}), "a file mounted through a loop device"),
        (0, 50): BlockDevice("sdb2", frozenset({"sdb"})),
    }
    return devices.get(one.device)


def decisions(*mounts: Mount, root: bytes = b"/") -> dict[bytes, Decision]:
    return {one.mount.mount_point: one for one in decide([ROOT, *mounts], root, device_of)}


def test_root_belongs_whatever_it_lies_on() -> None:
    [one] = decide([mount(1, b"/", parent=0, kind="overlay", device=(0, 20))], b"/", device_of)
    assert one.belongs


def test_second_fixed_disk_belongs() -> None:
    assert decisions(mount(2, b"/srv", device=SECOND_DISK))[b"/srv"].belongs


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("proc", "kernel"),
        ("cgroup2", "kernel"),
        ("tmpfs", "memory"),
        ("nfs4", "network"),
        ("lustre", "network"),
        ("gpfs", "network"),
        ("autofs", "automounter"),
        ("fuse.sshfs", "network"),
        ("fuse.gvfsd-fuse", "program"),
        ("overlay", "union"),
        ("squashfs", "read-only image"),
        ("iso9660", "read-only image"),
        ("never-heard-of-it", "not on a block device"),
    ],
)
def test_kind_that_does_not_belong_says_so(kind: str, word: str) -> None:
    one = decisions(mount(2, b"/x", kind=kind, device=(0, 99)))[b"/x"]
    assert not one.belongs
    assert word in one.reason


@pytest.mark.parametrize("kind", ["nfs", "autofs", "fuse", "fuse.anything", "cifs", "ceph"])
def test_server_that_may_be_gone_is_never_asked(kind: str) -> None:
    assert decisions(mount(2, b"/x", kind=kind, device=(0, 99)))[b"/x"].may_hang


@pytest.mark.parametrize("device", [(8, 33), (7, 0)])
def test_device_that_does_not_stay_is_left_out_by_name(device: tuple[int, int]) -> None:
    one = decisions(mount(2, b"/x", device=device))[b"/x"]
    known = device_of(mount(2, b"/x", device=device))
    assert known is not None
    assert not one.belongs
    assert known.passing in one.reason
    assert known.name in one.reason


def test_head_that_runs_from_usb_keeps_its_other_partitions() -> None:
    root = mount(1, b"/", parent=0, device=(8, 33))
    boot = mount(2, b"/boot", device=(8, 33))
    usb = BlockDevice("sdc1", frozenset({"sdc"}), "a disk on USB")
    assert all(one.belongs for one in decide([root, boot], b"/", lambda _: usb)[:1])
    other = BlockDevice("sdc2", frozenset({"sdc"}), "a disk on USB")
    boot = mount(2, b"/boot", device=(8, 34))
    found = decide([root, boot], b"/", lambda one: usb if one == root else other)
    assert [one.belongs for one in found] == [True, True]


def test_bind_mount_is_captured_where_its_files_lie() -> None:
    one = decisions(mount(2, b"/exports/home", fs_root=b"/home"))[b"/exports/home"]
    assert not one.belongs
    assert "/home" in one.reason


def test_bind_mount_whose_name_sorts_first_does_not_displace_the_original() -> None:
    found = decisions(
        mount(2, b"/home", device=SECOND_DISK), mount(3, b"/exports/home", device=SECOND_DISK)
    )
    assert found[b"/home"].belongs
    assert not found[b"/exports/home"].belongs


def test_bind_mount_of_a_part_defers_to_the_whole_that_was_mounted_later() -> None:
    found = decisions(
        mount(2, b"/a/home", device=SECOND_DISK, fs_root=b"/home"),
        mount(3, b"/z", device=SECOND_DISK),
    )
    assert found[b"/z"].belongs
    assert not found[b"/a/home"].belongs


def test_bind_mount_of_files_that_another_mount_hides_is_captured() -> None:
    """What /srv of the root holds is seen nowhere but at /old: the disk at /srv covers it."""
    found = decisions(mount(2, b"/old", fs_root=b"/srv"), mount(3, b"/srv", device=SECOND_DISK))
    assert found[b"/old"].belongs


def test_two_subvolumes_of_one_btrfs_both_belong() -> None:
    found = decisions(
        mount(2, b"/data", kind="btrfs", device=(0, 50), fs_root=b"/@data"),
        mount(3, b"/data2", kind="btrfs", device=(0, 50), fs_root=b"/@data2"),
        mount(4, b"/again", kind="btrfs", device=(0, 50), fs_root=b"/@data/sub"),
    )
    assert found[b"/data"].belongs
    assert found[b"/data2"].belongs
    assert not found[b"/again"].belongs


def test_what_is_mounted_below_something_left_out_is_left_out() -> None:
    found = decisions(
        mount(2, b"/run", kind="tmpfs", device=(0, 30)),
        mount(3, b"/run/media/disk", parent=2, device=SECOND_DISK),
    )
    assert not found[b"/run/media/disk"].belongs
    assert "/run" in found[b"/run/media/disk"].reason


def test_tree_below_a_mount_sees_only_what_is_mounted_inside_it() -> None:
    found = decisions(
        mount(2, b"/srv", device=SECOND_DISK),
        mount(3, b"/srv/head/proc", parent=2, kind="proc", device=(0, 4)),
        mount(4, b"/home", device=SECOND_DISK),
        root=b"/srv/head",
    )
    assert {place: one.belongs for place, one in found.items()} == {
        b"/srv": True,
        b"/srv/head/proc": False,
    }


def test_binds_that_show_each_other_come_to_an_end() -> None:
    found = decisions(
        mount(2, b"/x", device=SECOND_DISK, fs_root=b"/sub"),
        mount(3, b"/x/y", parent=2, device=SECOND_DISK),
    )
    assert found[b"/x/y"].belongs


def test_this_machine_keeps_its_root_and_leaves_out_proc() -> None:
    mounts = parse_mountinfo(Path("/proc/self/mountinfo").read_bytes())
    found = {one.mount.mount_point: one.belongs for one in decide(mounts, b"/", device_of)}
    assert found[b"/"]
    assert not found[b"/proc"]
