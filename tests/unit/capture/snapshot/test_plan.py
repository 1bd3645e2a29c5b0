"""Which file systems get a snapshot: every decision, and that its reason names the cause."""

from __future__ import annotations

from dataclasses import replace

import pytest

from haoscar_pxe.capture.scope.belonging import Decision
from haoscar_pxe.capture.scope.mounts import Mount
from haoscar_pxe.capture.snapshot.listings import Subvolume, Volume, VolumeGroup
from haoscar_pxe.capture.snapshot.names import Maker
from haoscar_pxe.capture.snapshot.plan import (
    DatasetShot,
    Plan,
    Storage,
    SubvolumeShot,
    View,
    VolumeShot,
    plan,
)
from tests.unit.capture.recording import mount

MIB = 1 << 20
THICK = Volume("vg", "root", (253, 0), "-wi-ao----", 1000 * MIB)
THIN = Volume("vg", "srv", (253, 1), "Vwi-aotz--", 1000 * MIB, "pool", 10.0)
POOL = Volume("vg", "pool", (253, 9), "twi-aotz--", 1000 * MIB, "", 10.0)
LVM = Storage(volumes=(THICK, THIN, POOL), groups=(VolumeGroup("vg", 300 * MIB, 4 * MIB),))
ROOT = mount(1, b"/", device=(253, 0))
SRV = mount(2, b"/srv", device=(253, 1), kind="xfs")
BOOT = mount(3, b"/boot", device=(8, 1))


def btrfs(mount_id: int, place: bytes, fs_root: bytes) -> Mount:
    device = mount(mount_id, place, kind="btrfs", device=(0, 40), fs_root=fs_root)
    return replace(device, source=b"/dev/sda2")


def subvolumes(*paths: bytes) -> Storage:
    listed = tuple(Subvolume(256 + number, path) for number, path in enumerate(paths))
    return Storage(subvolumes={b"/dev/sda2": listed})


def planned(
    *mounts: Mount,
    storage: Storage = LVM,
    root: bytes = b"/",
    excluded: tuple[bytes, ...] = (),
    left_out: tuple[Mount, ...] = (),
) -> Plan:
    decisions = [Decision(each, True, "") for each in mounts]
    decisions += [Decision(each, False, "") for each in left_out]
    return plan(decisions, root, excluded, storage, percent=20)


def shots(made: Plan) -> dict[bytes, object]:
    return {view.place: view.shot for view in made.views}


def reason(made: Plan, place: bytes) -> str:
    [view] = [view for view in made.views if view.place == place]
    return view.reason


def test_logical_volumes_are_frozen_and_a_plain_boot_partition_is_read_live() -> None:
    made = planned(ROOT, SRV, BOOT)
    assert shots(made) == {
        b"/": VolumeShot("vg", "root", "ext4", 200 * MIB),
        b"/srv": VolumeShot("vg", "srv", "xfs"),
        b"/boot": None,
    }
    assert [view.place for view in made.views] == [b"/", b"/boot", b"/srv"]
    assert made.consistency == "mixed"
    assert "no logical volume" in reason(made, b"/boot")
    assert "thin" in reason(made, b"/srv")


def test_the_record_says_what_all_of_it_was() -> None:
    assert planned(ROOT, SRV).consistency == "snapshot"
    assert planned(BOOT).consistency == "live"


def test_services_go_on_early_only_if_nothing_but_boot_is_read_live() -> None:
    assert planned(ROOT, BOOT).is_all_frozen
    assert not planned(ROOT, mount(4, b"/var", device=(8, 2))).is_all_frozen


def test_room_in_a_group_is_given_once() -> None:
    second = mount(5, b"/var", device=(253, 2))
    third = mount(6, b"/home", device=(253, 3))
    volumes = (
        THICK,
        replace(THICK, name="var", number=(253, 2)),
        replace(THICK, name="home", number=(253, 3)),
    )
    made = planned(ROOT, second, third, storage=replace(LVM, volumes=volumes))
    assert shots(made) == {
        b"/": VolumeShot("vg", "root", "ext4", 200 * MIB),
        b"/var": VolumeShot("vg", "var", "ext4", 100 * MIB),
        b"/home": None,
    }
    assert "0 MiB free" in reason(made, b"/home")


def test_a_second_place_of_one_volume_has_the_same_snapshot() -> None:
    again = mount(7, b"/data", device=(253, 0), fs_root=b"/srv/data")
    made = planned(ROOT, again)
    assert len(made.shots) == 1
    assert made.views[1] == View(b"/data", made.shots[0], reason(made, b"/"), b"/srv/data")


@pytest.mark.parametrize(
    ("volume", "kind", "said"),
    [
        (replace(THICK, attributes="swi-aos---"), "ext4", "no snapshot"),
        (THICK, "jfs", "not known"),
        (THICK, "vfat", "not known"),
        (replace(THIN, number=(253, 0)), "ext4", "95 % full"),
    ],
)
def test_a_volume_that_takes_no_snapshot_is_read_live(volume: Volume, kind: str, said: str) -> None:
    pool = replace(POOL, used_percent=95.0)
    made = planned(replace(ROOT, kind=kind), storage=replace(LVM, volumes=(volume, pool)))
    assert shots(made) == {b"/": None}
    assert said in reason(made, b"/")


def test_a_missing_tool_is_the_reason() -> None:
    made = planned(ROOT, storage=Storage(refused={"lvm": "there is no lvs"}))
    assert reason(made, b"/") == "there is no lvs"


def test_every_nested_subvolume_has_a_snapshot_of_its_own() -> None:
    storage = subvolumes(b"@", b"@home", b"@/var/lib/machines", b"@/srv", b"@/srv/inner")
    made = planned(btrfs(1, b"/", b"/@"), btrfs(2, b"/home", b"/@home"), storage=storage)
    assert shots(made) == {
        b"/": SubvolumeShot(b"/dev/sda2", b"@"),
        b"/home": SubvolumeShot(b"/dev/sda2", b"@home"),
        b"/srv": SubvolumeShot(b"/dev/sda2", b"@/srv"),
        b"/srv/inner": SubvolumeShot(b"/dev/sda2", b"@/srv/inner"),
        b"/var/lib/machines": SubvolumeShot(b"/dev/sda2", b"@/var/lib/machines"),
    }


def test_what_is_hidden_excluded_or_ours_gets_no_snapshot() -> None:
    ours = Maker("0123abcd", 1, 2).name(0).encode()
    storage = subvolumes(b"nfs/hidden", b"scratch", b"scratch/in", ours)
    remote = mount(9, b"/nfs", kind="nfs4", device=(0, 77))
    top = btrfs(1, b"/", b"/")
    made = planned(top, storage=storage, excluded=(b"/scratch",), left_out=(remote,))
    assert shots(made) == {b"/": SubvolumeShot(b"/dev/sda2", b"")}


def test_a_folder_of_a_subvolume_is_found_in_its_snapshot() -> None:
    storage = subvolumes(b"@", b"@/data", b"@/data/deep")
    made = planned(btrfs(1, b"/srv", b"/@/data/x/y"), storage=storage, root=b"/srv")
    [view] = made.views
    assert (view.shot, view.inner) == (SubvolumeShot(b"/dev/sda2", b"@/data"), b"/x/y")


def test_a_tree_inside_a_nested_subvolume_is_reached() -> None:
    storage = subvolumes(b"srv", b"home")
    made = planned(btrfs(1, b"/", b"/"), storage=storage, root=b"/srv/tree")
    assert set(shots(made)) == {b"/", b"/srv"}


def test_the_top_of_a_btrfs_comes_before_what_lies_in_it() -> None:
    storage = subvolumes(b"@")
    made = planned(btrfs(1, b"/", b"/@"), btrfs(2, b"/top", b"/"), storage=storage)
    assert made.shots[0] == SubvolumeShot(b"/dev/sda2", b"")


def test_zfs_datasets_are_frozen_where_there_is_a_zfs_program() -> None:
    home = replace(mount(1, b"/", kind="zfs", device=(0, 50)), source=b"rpool/ROOT/debian")
    made = planned(home, storage=Storage(has_zfs=True))
    assert shots(made) == {b"/": DatasetShot("rpool/ROOT/debian")}
    assert "no zfs program" in reason(planned(home), b"/")
