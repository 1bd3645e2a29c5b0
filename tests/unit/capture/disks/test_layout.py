"""The layout of a real machine's disks: everything that carries the image, by name."""

from __future__ import annotations

import pytest

from haoscar_pxe.capture.disks.fstab import parse_fstab
from haoscar_pxe.capture.disks.layout import LiveDisks, Mounted, live_layout, with_usage
from haoscar_pxe.capture.disks.probing import probe
from haoscar_pxe.capture.disks.tool_output import BlockNode, PartitionTable
from haoscar_pxe.capture.scope.belonging import decide
from haoscar_pxe.capture.scope.mounts import parse_mountinfo
from haoscar_pxe.image.layout import (
    BiosBoot,
    Boot,
    Disk,
    DiskLayout,
    Extended,
    FileSystem,
    Swap,
    Unsupported,
    file_systems,
)
from tests.unit.capture.recorded import DEVICES, PRIMARY, RecordedTools, device_of

BOOT = Boot(firmware="bios", loader="grub", kernel_release="6.1.0-50-cloud-amd64")


@pytest.fixture(scope="module")
def disks() -> LiveDisks:
    mounts = parse_mountinfo((PRIMARY / "mountinfo").read_bytes())
    mounted: dict[str, list[Mounted]] = {}
    for decision in decide(mounts, b"/", device_of):
        if decision.belongs:
            one = Mounted(decision.mount.mount_point.decode(), decision.mount.kind)
            mounted.setdefault(DEVICES[decision.mount.device].name, []).append(one)
    fstab = parse_fstab((PRIMARY / "fstab").read_bytes())
    wanted = frozenset({"vda", "vdb", "vdc", "vdd"})
    return LiveDisks(probe(wanted, mounted, RecordedTools()), mounted, fstab)


@pytest.fixture(scope="module")
def layout(disks: LiveDisks) -> DiskLayout:
    return live_layout(disks, BOOT)[0]


def disk(layout: DiskLayout, device: str) -> Disk:
    return next(one for one in layout.disks if one.device == device)


def test_mbr_disk_with_its_logical_partition(layout: DiskLayout) -> None:
    vda = disk(layout, "/dev/vda")
    assert (vda.table, vda.table_id, vda.size_bytes) == ("mbr", "0x1f2e3d4c", 4 << 30)
    root, extended, swap = vda.partitions
    assert (root.number, root.start_bytes, root.size_bytes) == (1, 1 << 20, 3 << 30)
    assert root.is_bootable
    assert isinstance(extended.content, Extended)
    assert swap.number == 5
    assert swap.content == Swap(uuid="3b1e7a94-0f6e-4c57-8d51-8a7d1c2e4f02")


def test_root_file_system_as_it_must_be_made_again(layout: DiskLayout) -> None:
    root = file_systems(layout)[0]
    assert (root.kind, root.mount_point) == ("ext4", "/")
    assert root.uuid == "6d0a3f52-58f3-4c0e-9b1e-5f3a6a3b9c01"
    assert root.mount_options == "errors=remount-ro"
    assert (root.block_size_bytes, root.inode_size_bytes) == (4096, 256)
    assert "metadata_csum" in root.features


def test_gpt_partitions_keep_their_names_types_and_uuids(layout: DiskLayout) -> None:
    vdb = disk(layout, "/dev/vdb")
    esp = vdb.partitions[0]
    assert vdb.table == "gpt"
    assert (esp.name, esp.type_code[:8]) == ("EFI System", "C12A7328")
    assert isinstance(esp.content, FileSystem)
    assert (esp.content.kind, esp.content.mount_point) == ("vfat", "/boot/efi")
    assert isinstance(vdb.partitions[-1].content, BiosBoot)


def test_label_and_options_of_a_data_file_system(layout: DiskLayout) -> None:
    srv = next(fs for fs in file_systems(layout) if fs.mount_point == "/srv")
    assert (srv.label, srv.mount_options, srv.block_size_bytes) == (
        "my data",
        "defaults,nofail",
        1024,
    )


def test_what_cannot_be_rebuilt_says_what_it_carries(layout: DiskLayout) -> None:
    found = {
        partition.content.kind: partition.content.detail
        for one in layout.disks
        for partition in one.partitions
        if isinstance(partition.content, Unsupported)
    }
    assert set(found) == {"LVM2_member", "crypto_LUKS", "linux_raid_member on a whole disk"}
    assert "/home2 (xfs on /dev/dm-0, lvm)" in found["LVM2_member"]
    assert "swap" in found["LVM2_member"]
    assert "/secret" in found["crypto_LUKS"]
    assert "/raid" in found["linux_raid_member on a whole disk"]


def test_btrfs_is_a_file_system_of_that_kind(layout: DiskLayout) -> None:
    data = next(fs for fs in file_systems(layout) if fs.kind == "btrfs")
    assert data.mount_point == "/data"


def test_partition_that_is_not_mounted_is_left_out_with_a_warning(disks: LiveDisks) -> None:
    layout, warnings = live_layout(disks, BOOT)
    assert 6 not in [partition.number for partition in disk(layout, "/dev/vdb").partitions]
    [warning] = warnings
    assert "/dev/vdb6 (ext4, not mounted)" in warning.sentence


def test_table_of_another_kind_makes_the_disk_unsupported(disks: LiveDisks) -> None:
    facts = disks.facts
    sun = PartitionTable(label="sun")
    node = BlockNode(kname="sda", type="disk", size=1 << 30)
    changed = type(facts)((node,), frozenset({"sda"}), {"sda": sun}, {}, {})
    layout, _ = live_layout(LiveDisks(changed, {}, ()), BOOT)
    [partition] = layout.disks[0].partitions
    assert isinstance(partition.content, Unsupported)
    assert "sun" in partition.content.kind


def test_usage_goes_to_the_file_system_it_was_counted_at(layout: DiskLayout) -> None:
    used = {fs.mount_point: fs.used_bytes for fs in file_systems(with_usage(layout, {"/": 7}))}
    assert used["/"] == 7
    assert used["/srv"] == 0
