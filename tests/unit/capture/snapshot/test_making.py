"""Snapshots are made in one go and removed in reverse; the commands are those of the manuals."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.capture.snapshot.listings import Volume
from haoscar_pxe.capture.snapshot.making import Made, make_all, overflowed, remove_all
from haoscar_pxe.capture.snapshot.names import Maker
from haoscar_pxe.capture.snapshot.plan import DatasetShot, Shot, SubvolumeShot, VolumeShot
from haoscar_pxe.errors import CommandError
from tests.unit.capture.snapshot.tools import Tools, lvs

MAKER = Maker("0123abcd", 7, 9)
TOPS = {b"/dev/sda2": Path("/stage/tops/0")}
THICK = VolumeShot("vg", "root", "ext4", 64 << 20)
SHOTS: list[Shot] = [THICK, VolumeShot("vg", "srv", "xfs"), SubvolumeShot(b"/dev/sda2", b"@/var")]


def verbs(tools: Tools) -> list[str]:
    return [argv[0] if argv[0].startswith("lv") else argv[2] for argv in tools.ran]


def test_each_kind_of_storage_is_told_by_its_own_tool() -> None:
    tools = Tools()
    made = make_all([*SHOTS, DatasetShot("rpool/home")], MAKER, TOPS, tools)
    thick, thin, btrfs, zfs = (" ".join(argv) for argv in tools.ran)
    name = "haoscar-pxe-shot-0123abcd-7-9-"
    assert thick.startswith("lvcreate --snapshot --size 67108864b ")
    assert thick.endswith(f"--permission r --name {name}0 vg/root")
    assert "--setactivationskip y" in thin
    assert "--size" not in thin
    assert btrfs == f"btrfs subvolume snapshot -r /stage/tops/0/@/var /stage/tops/0/{name}2"
    assert zfs == f"zfs snapshot rpool/home@{name}3"
    tools.ran.clear()
    assert remove_all(made, TOPS, tools) == []
    assert [argv[-1] for argv in tools.ran] == [
        f"rpool/home@{name}3",
        f"/stage/tops/0/{name}2",
        f"vg/{name}1",
        f"vg/{name}0",
    ]


def test_when_one_fails_those_before_are_removed() -> None:
    tools = Tools(failing=["-r"])
    with pytest.raises(CommandError):
        make_all(SHOTS, MAKER, TOPS, tools)
    assert verbs(tools) == [*["lvcreate"] * 2, "snapshot", "delete", "lvremove", "lvremove"]


def test_one_that_cannot_be_removed_is_tried_again_and_named_and_the_others_go() -> None:
    made = [Made(THICK, "first"), Made(THICK, "second")]
    tools = Tools(failing=["second"])
    [failure] = remove_all(made, TOPS, tools, attempts=2)
    assert "second" in failure
    assert [argv[-1] for argv in tools.ran] == ["vg/second", "vg/second", "vg/first"]


@pytest.mark.parametrize(("attributes", "said"), [("sri-a-s---", False), ("sri-I-s---", True)])
def test_a_snapshot_without_room_left_is_told_with_what_to_type(
    attributes: str, said: bool
) -> None:
    there = Volume("vg", "shot", (253, 5), attributes, 1 << 30)
    error = overflowed([Made(THICK, "shot")], Tools({"lvs": lvs(there)}))
    assert (error is not None) is said
    if error is not None:
        assert "vg/root had room for 64 MiB" in str(error)
        assert "snapshot_percent" in error.hint


def test_a_snapshot_that_somebody_removed_meanwhile_is_no_good_either() -> None:
    assert overflowed([Made(THICK, "shot")], Tools({"lvs": lvs()})) is not None


def test_snapshots_without_a_limit_are_not_asked_for() -> None:
    tools = Tools()
    assert overflowed([Made(SHOTS[1], "thin"), Made(SHOTS[2], "btrfs")], tools) is None
    assert tools.ran == []
