"""The running machine's layout, and what stands in for it where the root has no partition."""

from __future__ import annotations

from haoscar_pxe.capture.disks.devices import BlockDevice
from haoscar_pxe.capture.disks.layout import Mounted
from haoscar_pxe.capture.disks.machine_layout import machine_layout, mounted_on
from haoscar_pxe.capture.scope.belonging import Decision, decide
from haoscar_pxe.capture.scope.mounts import parse_mountinfo
from haoscar_pxe.image.layout import Boot, file_systems
from tests.unit.capture.recorded import PRIMARY, RecordedTools, device_of
from tests.unit.capture.recording import mount

BOOT = Boot(firmware="bios", loader="grub", kernel_release="6.1.0-50-cloud-amd64")
ROOT = {BlockDevice("vda1", frozenset({"vda"})): [Mounted("/", "ext4")]}


def test_disks_of_captured_file_systems_are_the_layout() -> None:
    layout, warnings = machine_layout(ROOT, frozenset(), (), BOOT, RecordedTools())
    assert layout is not None
    assert warnings == []
    assert [disk.device for disk in layout.disks] == ["/dev/vda"]
    assert [fs.mount_point for fs in file_systems(layout)] == ["/"]


def test_disk_that_holds_only_swap_is_part_of_it() -> None:
    layout, _ = machine_layout(ROOT, frozenset({"vdb"}), (), BOOT, RecordedTools())
    assert layout is not None
    assert [disk.device for disk in layout.disks] == ["/dev/vda", "/dev/vdb"]


def test_root_on_a_whole_disk_gives_the_default_and_says_so() -> None:
    whole = {BlockDevice("vdc", frozenset({"vdc"})): [Mounted("/", "ext4")]}
    layout, [warning] = machine_layout(whole, frozenset(), (), BOOT, RecordedTools())
    assert layout is None
    assert "/dev/vdc, without a partition table" in warning.sentence
    assert "--layout" in warning.hint


def test_root_on_no_disk_gives_the_default_without_asking_any_tool() -> None:
    tools = RecordedTools()
    layout, [warning] = machine_layout({}, frozenset(), (), BOOT, tools)
    assert layout is None
    assert "no disk" in warning.sentence
    assert tools.ran == []


def test_file_systems_are_grouped_by_their_device() -> None:
    mounts = parse_mountinfo((PRIMARY / "mountinfo").read_bytes())
    found = mounted_on(b"/", decide(mounts, b"/", device_of), device_of)
    places = {device.name: [one.mount_point for one in all_] for device, all_ in found.items()}
    assert places == {
        "vda1": ["/"],
        "vdb1": ["/boot/efi"],
        "vdb2": ["/srv"],
        "vdb5": ["/data", "/data2"],
        "dm-0": ["/home2"],
        "dm-2": ["/secret"],
        "md0": ["/raid"],
    }


def test_tree_below_a_mount_point_has_that_mount_as_its_root() -> None:
    decisions = [
        Decision(mount(1, b"/"), True, "root"),
        Decision(mount(2, b"/srv/head/boot", device=(254, 18)), True, "fixed"),
    ]
    found = mounted_on(b"/srv/head", decisions, lambda one: BlockDevice(str(one), frozenset()))
    assert [one.mount_point for places in found.values() for one in places] == ["/", "/boot"]
