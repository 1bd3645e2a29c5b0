"""Partitions are found by number in what sfdisk prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.errors import RehearsalError
from haoscar_pxe.image.layout import Boot, Disk, DiskLayout, FileSystem, Partition, Swap
from haoscar_pxe.rehearse.mounted import mounted, read_table
from tests.unit.rehearse.recorded import RecordedRun

# sfdisk 2.38.1 on a file with an MBR, a swap and an ext4 partition.
PRINTED = """{
   "partitiontable": {
      "label":"dos", "id":"0x1234abcd", "device":"disk.raw", "unit":"sectors", "sectorsize":512,
      "partitions": [
         {"node":"disk.raw1", "start":2048, "size":8192, "type":"82"},
         {"node":"disk.raw2", "start":10240, "size":55296, "type":"83", "bootable":true}
      ]
   }
}"""
ROOT = FileSystem(kind="ext4", uuid="aaaa", mount_point="/")
DATA = FileSystem(kind="xfs", uuid="bbbb", mount_point="/srv")


def layout(*contents: FileSystem | Swap, disks: int = 1) -> DiskLayout:
    partitions = tuple(
        Partition(number=number, start_bytes=0, size_bytes=0, type_code="83", content=content)
        for number, content in enumerate(contents, 1)
    )
    disk = Disk(device="sda", size_bytes=0, table="mbr", table_id="", partitions=partitions)
    boot = Boot(firmware="bios", loader="grub", kernel_release="6.1.0")
    return DiskLayout(disks=(disk,) * disks, boot=boot)


def test_a_partitions_number_is_at_the_end_of_its_name() -> None:
    table = read_table(Path("disk.raw"), RecordedRun({"sfdisk": PRINTED}))
    assert [(each.number, each.start) for each in table.partitions] == [(1, 2048), (2, 10240)]


def test_each_file_system_is_cut_out_of_the_disk_the_root_first(tmp_path: Path) -> None:
    run = RecordedRun({"sfdisk": PRINTED, "blkid": "aaaa\n"})
    with mounted(Path("disk.raw"), layout(DATA, ROOT), tmp_path, run) as disk:
        assert [each.expected.mount_point for each in disk.file_systems] == ["/", "/srv"]
    mounts = [words for words in run.asked if words[0] == "mount"]
    assert [words[4] for words in mounts] == [
        "ro,loop,offset=5242880,sizelimit=28311552,noload",
        "ro,loop,offset=1048576,sizelimit=4194304",
    ]
    assert [words[-1] for words in mounts] == [f"{tmp_path}", f"{tmp_path}/srv"]


def test_swap_is_not_mounted(tmp_path: Path) -> None:
    run = RecordedRun({"sfdisk": PRINTED})
    with mounted(Path("disk.raw"), layout(Swap(uuid="cccc"), ROOT), tmp_path, run) as disk:
        assert len(disk.file_systems) == 1


def test_a_partition_that_is_not_there_is_named(tmp_path: Path) -> None:
    run = RecordedRun({"sfdisk": PRINTED})
    with (
        pytest.raises(RehearsalError, match=r"no partition 3 \(it has: 1, 2\)"),
        mounted(Path("disk.raw"), layout(Swap(uuid=""), Swap(uuid=""), ROOT), tmp_path, run),
    ):
        pass


def test_an_image_of_two_disks_is_refused(tmp_path: Path) -> None:
    run = RecordedRun({"sfdisk": PRINTED})
    with (
        pytest.raises(RehearsalError, match="2 disks"),
        mounted(Path("disk.raw"), layout(ROOT, disks=2), tmp_path, run),
    ):
        pass


def test_a_fat_is_copied_out_with_the_modes_that_its_options_show(tmp_path: Path) -> None:
    esp = FileSystem(kind="vfat", uuid="A1B2-C3D4", mount_point="/efi", mount_options="umask=0077")
    (tmp_path / "efi/EFI").mkdir(parents=True)
    (tmp_path / "efi/EFI/x.efi").touch(0o644)
    run = RecordedRun({"sfdisk": PRINTED})
    with mounted(Path("disk.raw"), layout(esp, ROOT), tmp_path, run):
        copied = [words for words in run.asked if "mcopy" in words]
        modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("efi/EFI", "efi/EFI/x.efi")]
    assert copied[0][-4:] == ["-i", "disk.raw@@1048576", "::*", f"{tmp_path}/efi"]
    assert modes == [0o700, 0o700]
