"""Sysfs tells fixed disks from those that come and go; the trees here have sysfs's shape."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.capture.disks.devices import BlockDevice, block_device
from haoscar_pxe.capture.scope.mounts import Mount, holding, parse_mountinfo
from tests.unit.capture.recording import mount


class Sysfs:
    """Block devices in a folder that looks like /sys."""

    def __init__(self, top: Path) -> None:
        self.top = top
        (top / "dev/block").mkdir(parents=True)

    def disk(self, path: str, number: str, *, removable: bool = False) -> Path:
        folder = self.top / "devices" / path
        folder.mkdir(parents=True)
        (folder / "removable").write_text(f"{int(removable)}\n")
        (self.top / "dev/block" / number).symlink_to(folder)
        return folder

    def partition(self, disk: Path, name: str, number: str) -> Path:
        folder = disk / name
        folder.mkdir()
        (folder / "partition").write_text("1\n")
        (self.top / "dev/block" / number).symlink_to(folder)
        return folder

    def mapped(self, name: str, number: str, *members: Path) -> Path:
        folder = self.top / "devices/virtual/block" / name
        (folder / "slaves").mkdir(parents=True)
        for member in members:
            (folder / "slaves" / member.name).symlink_to(member)
        (self.top / "dev/block" / number).symlink_to(folder)
        return folder


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    return Sysfs(tmp_path)


def at(number: tuple[int, int]) -> Mount:
    return mount(2, b"/x", device=number)


def test_partition_of_a_fixed_disk(sysfs: Sysfs) -> None:
    disk = sysfs.disk("pci0000:00/ata1/host0/target0:0:0/block/sda", "8:0")
    sysfs.partition(disk, "sda2", "8:2")
    device = block_device(at((8, 2)), sysfs.top)
    assert device == BlockDevice("sda2", frozenset({"sda"}))


@pytest.mark.parametrize(
    ("path", "removable", "word"),
    [
        ("pci0000:00/ata2/host1/block/sr0", True, "removable"),
        ("pci0000:00/0000:00:14.0/usb2/2-1/host6/block/sdb", False, "USB"),
        ("platform/host3/session1/target3:0:0/block/sdc", False, "iSCSI"),
        ("virtual/block/loop3", False, "loop"),
        ("virtual/block/nbd0", False, "NBD"),
        ("rbd/0/block/rbd0", False, "Ceph"),
        ("virtual/block/drbd1", False, "DRBD"),
        ("virtual/block/zram0", False, "memory"),
    ],
)
def test_disk_that_does_not_stay_is_named(
    sysfs: Sysfs, path: str, removable: bool, word: str
) -> None:
    sysfs.disk(path, "8:16", removable=removable)
    device = block_device(at((8, 16)), sysfs.top)
    assert device is not None
    assert word in device.passing


def test_volume_over_two_disks_names_both_and_what_is_wrong_with_one(sysfs: Sysfs) -> None:
    fixed = sysfs.disk("pci0000:00/ata1/block/sda", "8:0")
    stick = sysfs.disk("pci0000:00/usb1/1-2/block/sdb", "8:16")
    array = sysfs.mapped("md0", "9:0", sysfs.partition(fixed, "sda1", "8:1"), stick)
    sysfs.mapped("dm-0", "253:0", array)
    device = block_device(at((253, 0)), sysfs.top)
    assert device is not None
    assert device.name == "dm-0"
    assert device.disks == {"sda", "sdb"}
    assert "USB" in device.passing


def test_mount_without_a_block_device(sysfs: Sysfs) -> None:
    assert block_device(at((0, 44)), sysfs.top) is None
    assert block_device(at((8, 99)), sysfs.top) is None


def test_device_that_holds_this_root_is_asked_of_the_real_sysfs() -> None:
    mounts = parse_mountinfo(Path("/proc/self/mountinfo").read_bytes())
    root = holding(mounts, b"/")
    assert root is not None
    device = block_device(root)
    if device is None:
        pytest.skip("the root of this machine lies on no block device")
    assert device.disks
