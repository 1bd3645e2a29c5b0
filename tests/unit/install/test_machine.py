"""Facts about disks, read from a sysfs tree and from real bytes by the real blkid."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.command import run
from haoscar_pxe.install.claim import claim_of, first_bytes
from haoscar_pxe.install.machine import MachineDisk, firmware, read_disk, read_disks

MIB = 1 << 20


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    (tmp_path / "sys/block").mkdir(parents=True)
    (tmp_path / "dev").mkdir()
    return tmp_path


def add_disk(machine: Path, name: str, size_bytes: int = 8 * MIB, **attributes: str) -> Path:
    """A disk of zeros whose sysfs files have these contents ("device__model" is device/model)."""
    block = machine / "sys/block" / name
    told = {"size": str(size_bytes // 512), "ro": "0", "removable": "0", **attributes}
    for key, value in told.items():
        path = block / key.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n")
    device = machine / "dev" / name
    with device.open("wb") as file:
        file.truncate(size_bytes)
    return device


def the_disk(machine: Path, name: str = "sda") -> MachineDisk:
    disk = read_disk(name, run, machine / "sys", machine / "dev")
    assert disk is not None
    return disk


def test_a_disk_of_zeros_is_blank(machine: Path) -> None:
    add_disk(machine, "sda")
    assert the_disk(machine).contents == ()
    assert the_disk(machine).size_bytes == 8 * MIB


def test_only_disks_with_a_medium_are_listed(machine: Path) -> None:
    for name in ("sdb", "nvme0n1", "vda", "loop0", "zram0", "sr0", "dm-0", "md127", "mmcblk0boot0"):
        add_disk(machine, name)
    add_disk(machine, "sdc", size_bytes=0)
    add_disk(machine, "nvme0c0n1", hidden="1")
    found = read_disks(run, machine / "sys", machine / "dev")
    assert [Path(disk.path).name for disk in found] == ["nvme0n1", "sdb", "vda"]


def test_what_a_disk_is_chosen_by_is_read_from_sysfs(machine: Path) -> None:
    add_disk(
        machine,
        "nvme0n1",
        wwid="eui.0025385b71b0a1c2",
        device__serial="S4EVNX0M  ",
        device__model="Samsung SSD",
        queue__logical_block_size="4096",
    )
    found = the_disk(machine, "nvme0n1")
    assert (found.serial, found.wwn, found.model) == (
        "S4EVNX0M",
        "eui.0025385b71b0a1c2",
        "Samsung SSD",
    )
    assert found.sector_bytes == 4096


def test_a_scsi_serial_comes_from_its_vpd_page(machine: Path) -> None:
    add_disk(machine, "sda", device__model="ST4000")
    page = b"\x00\x80\x00\x08  ZC1234"
    (machine / "sys/block/sda/device/vpd_pg80").write_bytes(page)
    assert the_disk(machine).serial == "ZC1234"


def test_read_only_and_removable_disks_are_known(machine: Path) -> None:
    add_disk(machine, "sda", ro="1", removable="1")
    assert the_disk(machine).is_read_only
    assert the_disk(machine).is_removable


def test_a_file_system_on_the_disk_is_named_with_its_label(machine: Path) -> None:
    device = add_disk(machine, "sda")
    run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", "data", str(device)])
    assert any("ext4 'data'" in line for line in the_disk(machine).contents)


def test_partitions_are_named_with_what_they_hold(machine: Path) -> None:
    device = add_disk(machine, "sda")
    run(["sfdisk", "-q", str(device)], stdin=b"label: gpt\nstart=2048\n")
    partition = machine / "dev/sda1"
    partition.write_bytes(bytes(4 * MIB))
    run(["mkswap", "-L", "old", str(partition)])
    (machine / "sys/block/sda/sda1").mkdir()
    (machine / "sys/block/sda/sda1/partition").write_text("1\n")
    told = "; ".join(the_disk(machine).contents)
    assert "partition table (gpt)" in told
    assert "sda1: swap 'old'" in told


@pytest.mark.parametrize(("offset", "where"), [(600_000, "first"), (8 * MIB - 3, "last")])
def test_bytes_that_no_tool_recognises_are_content_too(
    machine: Path, offset: int, where: str
) -> None:
    with add_disk(machine, "sda").open("r+b") as file:
        file.seek(offset)
        file.write(b"x")
    assert the_disk(machine).contents == (f"{machine}/dev/sda: data in its {where} MiB",)


def test_a_disk_in_use_by_a_raid_is_not_blank(machine: Path) -> None:
    add_disk(machine, "sda")
    (machine / "sys/block/sda/holders/md0").mkdir(parents=True)
    assert "in use by md0" in the_disk(machine).contents[0]


def test_a_disk_that_cannot_be_read_is_listed_and_not_blank(machine: Path) -> None:
    add_disk(machine, "sda").unlink()
    assert "cannot be read" in the_disk(machine).contents[0]


def test_the_claim_on_a_disk_is_read(machine: Path) -> None:
    with add_disk(machine, "sda").open("r+b") as file:
        file.write(first_bytes(claim_of("token")))
    assert the_disk(machine).claim == claim_of("token")


def test_firmware_is_uefi_only_where_the_kernel_says_so(machine: Path) -> None:
    assert firmware(machine / "sys") == "bios"
    (machine / "sys/firmware/efi").mkdir(parents=True)
    assert firmware(machine / "sys") == "uefi"
