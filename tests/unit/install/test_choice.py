"""Which disk is installed on: nothing is guessed, and nothing is erased that was not allowed."""

from __future__ import annotations

import pytest

from haoscar_pxe.install.choice import Chosen, Refusal, choose
from haoscar_pxe.install.claim import claim_of
from haoscar_pxe.install.machine import MachineDisk
from haoscar_pxe.nodes.order import InstallOrder
from tests.unit.install.machines import GIB, disk, order

NEEDED = 10 * GIB
STICK = disk("/dev/sdz", 64 * GIB, is_removable=True, serial="STICK")
SMALL = disk("/dev/sdb", 4 * GIB)
LOCKED = disk("/dev/sdc", 64 * GIB, is_read_only=True)


def chosen(disks: list[MachineDisk], wanted: InstallOrder) -> Chosen:
    result = choose(disks, wanted, NEEDED)
    assert isinstance(result, Chosen)
    return result


def refused(disks: list[MachineDisk], wanted: InstallOrder) -> list[Refusal]:
    result = choose(disks, wanted, NEEDED)
    assert isinstance(result, list)
    assert result
    return result


def test_auto_takes_the_only_fixed_disk_that_is_large_enough() -> None:
    result = chosen([disk(), SMALL, LOCKED, STICK], order())
    assert result.disk.path == "/dev/sda"
    assert "blank" in result.why_writable


def test_auto_with_two_disks_that_would_do_names_both_and_what_to_type() -> None:
    first, second = disk("/dev/sda", serial="A1"), disk("/dev/sdb", serial="B2")
    (refusal,) = refused([first, second], order())
    assert "/dev/sda" in refusal.reason
    assert "/dev/sdb" in refusal.reason
    assert refusal.hint == "haoscar-pxe node set standby1 --disk serial:A1 --install"


def test_auto_does_not_prefer_the_blank_one_of_two_disks() -> None:
    full = disk("/dev/sdb", contents=("/dev/sdb: ext4 'data'",))
    assert len(refused([disk(), full], order(wipe="any"))) == 1


def test_auto_that_finds_nothing_says_why_of_each_disk() -> None:
    reasons = " ".join(refusal.reason for refusal in refused([SMALL, LOCKED, STICK], order()))
    assert "too small: 4096 MiB, the image needs 10240 MiB (6144 MiB more)" in reasons
    assert "read-only" in reasons
    assert "removable" in reasons


def test_a_machine_without_disks_is_told_apart_from_one_with_unfit_disks() -> None:
    assert "no disk" in refused([], order())[0].reason


@pytest.mark.parametrize(
    "name", ["/dev/sdb", "serial:WD-1", "wwn:naa.5000c500a1b2c3d4", "wwn:0x5000C500A1B2C3D4"]
)
def test_a_named_disk_is_taken_though_others_would_do(name: str) -> None:
    wanted = disk("/dev/sdb", serial="WD-1", wwn="naa.5000c500a1b2c3d4")
    assert chosen([disk(), wanted], order(disk=name)).disk == wanted


def test_a_named_disk_may_be_removable() -> None:
    assert chosen([disk(), STICK], order(disk="serial:STICK")).disk == STICK


def test_a_named_disk_that_is_not_there_is_never_replaced_by_another() -> None:
    (refusal,) = refused([disk(serial="OTHER")], order(disk="serial:WD-1"))
    assert "no disk is 'serial:WD-1'" in refusal.reason
    assert "serial:OTHER" in refusal.reason


def test_a_named_disk_on_a_machine_without_disks_is_refused() -> None:
    (refusal,) = refused([], order(disk="/dev/sda"))
    assert "its disks: none" in refusal.reason


def test_an_empty_wwn_names_no_disk() -> None:
    assert refused([disk()], order(disk="wwn:"))


def test_a_named_disk_that_is_too_small_is_refused_with_numbers() -> None:
    (refusal,) = refused([SMALL, disk()], order(disk="/dev/sdb"))
    assert "4096 MiB" in refusal.reason


def test_two_disks_of_the_same_serial_are_refused() -> None:
    twins = [disk("/dev/sda", serial="S"), disk("/dev/sdb", serial="S")]
    assert "2 disks are 'serial:S'" in refused(twins, order(disk="serial:S"))[0].reason


def test_a_disk_with_content_is_refused_naming_all_of_it() -> None:
    full = disk(contents=("/dev/sda: partition table (gpt)", "/dev/sda1: ntfs 'Windows'"))
    (refusal,) = refused([full], order())
    assert "ntfs 'Windows'" in refusal.reason
    assert refusal.hint.endswith("haoscar-pxe node set standby1 --wipe any --install")


def test_a_disk_with_content_is_taken_if_the_order_allows_to_erase_it() -> None:
    full = disk(contents=("/dev/sda1: ntfs 'Windows'",))
    assert "ntfs 'Windows'" in chosen([full], order(wipe="any")).why_writable


def test_a_disk_that_this_order_left_half_installed_is_taken_again() -> None:
    half = disk(contents=("/dev/sda1: ext4",), claim=claim_of("the token"))
    assert "this very order" in chosen([half], order()).why_writable


def test_a_disk_that_an_older_order_left_half_installed_is_refused() -> None:
    half = disk(contents=("/dev/sda1: ext4",), claim=claim_of("an older token"))
    assert "not blank" in refused([half], order())[0].reason
