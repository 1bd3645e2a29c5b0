"""The default layout can hold the content, and does not change from capture to capture."""

from __future__ import annotations

import pytest

from haoscar_pxe.capture.disks.default_layout import default_layout
from haoscar_pxe.capture.disks.fstab import parse_fstab
from haoscar_pxe.capture.disks.layout_file import layout_problems
from haoscar_pxe.errors import CaptureError
from haoscar_pxe.image.layout import Boot, DiskLayout, FileSystem

BOOT = Boot(firmware="bios", loader="grub", kernel_release="6.1.0-50-amd64")
GIB = 1 << 30


def root_of(layout: DiskLayout) -> FileSystem:
    content = layout.disks[0].partitions[0].content
    assert isinstance(content, FileSystem)
    return content


def test_one_bootable_aligned_root_with_room_to_grow() -> None:
    layout = default_layout("primary", BOOT, (), 10 * GIB, 100_000)
    [disk] = layout.disks
    [partition] = disk.partitions
    assert layout.is_default
    assert (disk.table, partition.type_code, partition.is_bootable) == ("mbr", "83", True)
    assert partition.start_bytes % (1 << 20) == 0
    assert partition.size_bytes >= 14 * GIB
    assert not list(layout_problems(layout))


def test_second_capture_of_a_grown_tree_keeps_the_identifiers() -> None:
    first = default_layout("primary", BOOT, (), GIB, 10)
    second = default_layout("primary", BOOT, (), 2 * GIB, 20)
    assert root_of(first).uuid == root_of(second).uuid
    assert first.disks[0].table_id == second.disks[0].table_id
    other = default_layout("other", BOOT, (), GIB, 10)
    assert root_of(other).uuid != root_of(first).uuid


def test_root_gets_the_uuid_or_label_that_fstab_mounts_it_by() -> None:
    fstab = parse_fstab(b"UUID=9dc97419-623a-47e6-8e9d-3c4177657691 / ext4 noatime 0 1\n")
    root = root_of(default_layout("primary", BOOT, fstab, GIB, 10))
    assert root.uuid == "9dc97419-623a-47e6-8e9d-3c4177657691"
    assert root.mount_options == "noatime"
    fstab = parse_fstab(b"LABEL=root / ext4 defaults 0 1\n")
    assert root_of(default_layout("primary", BOOT, fstab, GIB, 10)).label == "root"


def test_features_are_those_every_boot_loader_reads() -> None:
    features = root_of(default_layout("primary", BOOT, (), GIB, 10)).features
    assert not {"metadata_csum_seed", "orphan_file", "casefold", "encrypt"} & set(features)


def test_tree_of_very_many_small_files_gets_the_inodes_for_them() -> None:
    assert root_of(default_layout("primary", BOOT, (), GIB, 5_000_000)).inode_count >= 5_000_000


def test_content_beyond_what_an_mbr_can_address_is_refused() -> None:
    with pytest.raises(CaptureError, match="2 TiB"):
        default_layout("primary", BOOT, (), 2000 * GIB, 10)
