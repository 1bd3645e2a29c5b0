"""Snapshots of killed captures are found; those of others, and of running captures, are not."""

from __future__ import annotations

from pathlib import Path

from haoscar_pxe.capture.snapshot.leftovers import leftovers, sweep
from haoscar_pxe.capture.snapshot.listings import Subvolume, Volume
from haoscar_pxe.capture.snapshot.names import LVM_TAG, Maker, this_process
from haoscar_pxe.capture.snapshot.plan import Storage
from haoscar_pxe.capture.snapshot.storage import Found
from tests.unit.capture.snapshot.tools import Tools

DEAD, ALIVE = Maker("00000000", 7, 9), this_process()
LOST, OURS = DEAD.name(0), ALIVE.name(0)


def volume(name: str, tags: tuple[str, ...] = (LVM_TAG,)) -> Volume:
    return Volume("vg", name, (253, 5), "swi-a-s---", 1 << 30, tags=tags)


def found() -> Found:
    volumes = (volume("root"), volume(LOST), volume(OURS), volume(DEAD.name(1), tags=()))
    paths = (b"@", LOST.encode(), OURS.encode(), b"@/" + LOST.encode())
    subvolumes = {b"/dev/sda2": tuple(Subvolume(256, path) for path in paths)}
    snapshots = ("rpool/home@monday", f"rpool/home@{LOST}", f"rpool/home@{OURS}")
    return Found(Storage(volumes, (), subvolumes), {b"/dev/sda2": Path("/top")}, snapshots)


def test_only_what_has_our_name_and_tag_and_no_living_maker_is_removed() -> None:
    tools = Tools()
    swept = sweep(found(), tools)
    assert (swept.count, swept.warnings) == (3, ())
    assert sorted(argv[-1] for argv in tools.ran) == sorted(
        [f"vg/{LOST}", f"/top/{LOST}", f"rpool/home@{LOST}"]
    )


def test_what_cannot_be_removed_is_a_warning_and_stops_nothing() -> None:
    swept = sweep(found(), Tools(failing=["zfs"]))
    assert swept.count == 2
    [warning] = swept.warnings
    assert f"rpool/home@{LOST}" in warning.sentence


def test_whose_snapshot_it_is_is_asked_of_the_living() -> None:
    assert not list(leftovers(found(), lambda maker: True))
    assert len(list(leftovers(found(), lambda maker: False))) == 6
