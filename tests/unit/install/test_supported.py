"""What cannot be installed yet is refused by its name, all of it at once."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from haoscar_pxe.image.layout import DiskLayout, FileSystem, Swap, Unsupported
from haoscar_pxe.install.supported import refusals
from tests.unit.install.machines import (
    GIB,
    MIB,
    debian_layout,
    gpt_layout,
    layout,
    partition,
    root_fs,
    uefi_layout,
)


def reasons(captured: DiskLayout) -> str:
    return "\n".join(refusal.reason for refusal in refusals(captured, "bios"))


def with_content(content: FileSystem | Unsupported) -> DiskLayout:
    root = partition(1, MIB, 10 * GIB, root_fs())
    return layout(root, partition(2, MIB + 10 * GIB, GIB, content))


@pytest.mark.parametrize("captured", [layout(), debian_layout(), gpt_layout()])
def test_ordinary_layouts_are_not_refused(captured: DiskLayout) -> None:
    assert refusals(captured, "bios") == []


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (Unsupported(kind="LVM2_member", detail="volume group vg0"), "LVM2_member"),
        (Unsupported(kind="crypto_LUKS"), "crypto_LUKS"),
        (root_fs(kind="xfs", mount_point="/srv"), "xfs (/srv)"),
        (root_fs(kind="btrfs", mount_point="/home"), "btrfs (/home)"),
        (root_fs(mount_point="/x", features=("bigalloc", "extent")), "ext4 with bigalloc"),
        (root_fs(mount_point="/../etc"), "'/../etc' is no place"),
    ],
)
def test_what_cannot_be_made_is_refused_by_name(
    content: FileSystem | Unsupported, name: str
) -> None:
    assert name in reasons(with_content(content))


def test_a_mounted_ext4_superblock_says_needs_recovery_which_is_no_feature() -> None:
    captured = with_content(root_fs(mount_point="/x", features=("extent", "needs_recovery")))
    assert reasons(captured) == ""


def test_a_uefi_image_needs_a_uefi_machine_and_an_efi_system_partition() -> None:
    assert "started by BIOS" in reasons(uefi_layout())
    assert refusals(uefi_layout(), "uefi") == []
    told = [refusal.reason for refusal in refusals(layout(firmware="uefi"), "uefi")]
    assert told == [
        "the image boots by UEFI, and no mounted partition of type EFI System was captured"
    ]


def test_a_bios_image_on_a_machine_started_by_uefi_says_what_to_switch() -> None:
    (refusal,) = refusals(layout(), "uefi")
    assert "legacy" in refusal.hint


def test_an_image_without_grub_says_which_packages_to_install() -> None:
    (refusal,) = refusals(layout(loader="none"), "bios")
    assert "grub-pc-bin" in refusal.hint


def test_two_disks_are_refused_naming_them() -> None:
    one = layout()
    two = replace(one, disks=(*one.disks, replace(one.disks[0], device="/dev/vdb")))
    assert "2 disks (/dev/vda, /dev/vdb)" in reasons(two)


def test_a_layout_without_a_root_is_refused() -> None:
    assert "no file system for /" in reasons(layout(partition(1, MIB, GIB, Swap(uuid="x"))))


def test_overlapping_partitions_are_refused() -> None:
    captured = layout(
        partition(1, MIB, GIB, root_fs()), partition(2, 100 * MIB, GIB, Swap(uuid="x"))
    )
    assert "partitions 1 and 2 of /dev/vda overlap" in reasons(captured)


def test_a_logical_partition_outside_an_extended_one_is_refused() -> None:
    captured = layout(partition(1, MIB, GIB, root_fs()), partition(5, 2 * GIB, GIB, Swap(uuid="x")))
    assert "partition 5 of /dev/vda is a logical one" in reasons(captured)


def test_every_reason_is_told_not_only_the_first() -> None:
    captured = layout(
        partition(1, MIB, GIB, Unsupported(kind="zfs_member")),
        firmware="uefi",
        loader="systemd-boot",
    )
    told = reasons(captured)
    assert all(word in told for word in ("UEFI", "systemd-boot", "zfs_member", "for /"))
