"""Planned file systems, made on plain files by the real tools and read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.command import run
from haoscar_pxe.image.layout import BiosBoot, Content, FileSystem, Swap
from haoscar_pxe.install.file_systems import make_command
from haoscar_pxe.install.plan import PlannedPartition
from tests.unit.install.machines import MIB, ROOT_UUID, SWAP_UUID, partition, root_fs


def made(content: Content, tmp_path: Path, inodes: int = 0) -> Path:
    """A file of 64 MiB with that in it."""
    device = tmp_path / "partition"
    with device.open("wb") as file:
        file.truncate(64 * MIB)
    planned = PlannedPartition(
        partition(1, MIB, 64 * MIB, content), str(device), MIB, 64 * MIB, inodes=inodes
    )
    command = make_command(planned)
    assert command is not None
    run(command)
    return device


def superblock(device: Path) -> dict[str, str]:
    lines = run(["dumpe2fs", "-h", str(device)]).text.splitlines()
    pairs = (line.partition(":") for line in lines)
    return {key: value.strip() for key, _, value in pairs}


def test_an_ext4_has_the_captured_uuid_label_features_and_sizes(tmp_path: Path) -> None:
    features = ("has_journal", "ext_attr", "dir_index", "filetype", "extent", "sparse_super")
    captured = root_fs(
        label="head-root",
        features=(*features, "needs_recovery"),
        block_size_bytes=1024,
        inode_size_bytes=256,
    )
    told = superblock(made(captured, tmp_path, inodes=20_000))
    assert told["Filesystem UUID"] == ROOT_UUID
    assert told["Filesystem volume name"] == "head-root"
    assert set(told["Filesystem features"].split()) == set(features)
    assert (told["Block size"], told["Inode size"]) == ("1024", "256")
    assert 19_000 < int(told["Inode count"]) <= 20_000  # whole block groups


def test_without_captured_features_an_ext4_is_one_that_old_boot_loaders_read(
    tmp_path: Path,
) -> None:
    features = superblock(made(root_fs(), tmp_path))["Filesystem features"].split()
    assert "extent" in features
    assert not {"metadata_csum_seed", "orphan_file"} & set(features)


@pytest.mark.parametrize("kind", ["ext2", "ext3"])
def test_older_kinds_stay_what_they_were(kind: str, tmp_path: Path) -> None:
    features = superblock(made(root_fs(kind=kind), tmp_path))["Filesystem features"].split()
    assert "extent" not in features
    assert ("has_journal" in features) == (kind == "ext3")


def test_swap_has_the_captured_uuid_and_label(tmp_path: Path) -> None:
    device = made(Swap(uuid=SWAP_UUID, label="swap"), tmp_path)
    told = run(["blkid", "-p", "-o", "export", str(device)]).text.splitlines()
    assert {f"UUID={SWAP_UUID}", "LABEL=swap", "TYPE=swap"} <= set(told)


def test_a_fat_has_the_captured_volume_id(tmp_path: Path) -> None:
    fat = FileSystem(kind="vfat", uuid="ABCD-1234", label="ESP", mount_point="/boot/efi")
    told = run(["blkid", "-p", "-o", "export", str(made(fat, tmp_path))]).text.splitlines()
    assert {"UUID=ABCD-1234", "LABEL=ESP", "TYPE=vfat"} <= set(told)


def test_nothing_is_made_where_grub_embeds_itself() -> None:
    planned = PlannedPartition(partition(1, MIB, MIB, BiosBoot()), "/dev/sda1", MIB, MIB)
    assert make_command(planned) is None


@pytest.mark.parametrize(("size_mib", "kind"), [(64, []), (512, ["-F", "32"])])
def test_a_large_fat_is_one_that_every_firmware_reads(size_mib: int, kind: list[str]) -> None:
    esp = FileSystem(kind="vfat", uuid="A1B2-C3D4", mount_point="/boot/efi")
    source = partition(1, MIB, size_mib * MIB, esp)
    command = make_command(PlannedPartition(source, "/dev/sda1", MIB, size_mib * MIB))
    assert command == ["mkfs.vfat", *kind, "-i", "a1b2c3d4", "/dev/sda1"]
