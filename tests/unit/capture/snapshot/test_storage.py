"""Only storage that is in use is asked about, and a tool that fails is a reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from haoscar_pxe.capture.snapshot.storage import ask, is_on_lvm, mount_tops
from tests.unit.capture.recording import mount
from tests.unit.capture.snapshot.tools import Tools

PLAIN = mount(1, b"/", device=(8, 1))
BTRFS = replace(mount(2, b"/srv", kind="btrfs", device=(0, 40)), source=b"/dev/sdb1")
ZFS = replace(mount(3, b"/home", kind="zfs", device=(0, 41)), source=b"rpool/home")


def test_a_head_on_plain_partitions_is_asked_nothing() -> None:
    tools = Tools()
    found = ask([PLAIN], {}, tools)
    assert tools.ran == []
    assert not found.storage.volumes


def test_only_device_mappers_own_word_makes_a_device_a_logical_volume(tmp_path: Path) -> None:
    for number, uuid in (("253:0", "LVM-abc"), ("253:1", "CRYPT-LUKS2-abc")):
        (tmp_path / f"dev/block/{number}/dm").mkdir(parents=True)
        (tmp_path / f"dev/block/{number}/dm/uuid").write_text(uuid + "\n")
    answers = [is_on_lvm(mount(1, b"/", device=(253, n)), tmp_path) for n in (0, 1, 2)]
    assert answers == [True, False, False]


def test_the_top_of_a_btrfs_is_mounted_once_and_listed(tmp_path: Path) -> None:
    tools = Tools({"btrfs": b"ID 256 gen 7 top level 5 path @\n"})
    second = replace(BTRFS, mount_id=4, mount_point=b"/home")
    tops = mount_tops([PLAIN, BTRFS, second], tmp_path, tools)
    assert tops == {b"/dev/sdb1": tmp_path / "0"}
    found = ask([BTRFS, second], tops, tools)
    [subvolume] = found.storage.subvolumes[b"/dev/sdb1"]
    assert subvolume.path == b"@"
    assert [argv[0] for argv in tools.ran] == ["mount", "btrfs"]


def test_a_tool_that_fails_is_the_reason_to_read_live(tmp_path: Path) -> None:
    tools = Tools(failing=["btrfs", "zfs"])
    tops = mount_tops([BTRFS], tmp_path, tools)
    assert tops == {}
    found = ask([BTRFS, ZFS], {b"/dev/sdb1": tmp_path}, tools)
    assert set(found.storage.refused) == {"btrfs", "zfs"}
    assert not found.storage.has_zfs


def test_zfs_snapshots_are_listed_where_a_dataset_is_mounted() -> None:
    found = ask([ZFS], {}, Tools({"zfs": b"rpool/home@monday\n"}))
    assert found.storage.has_zfs
    assert found.zfs_snapshots == ("rpool/home@monday",)
