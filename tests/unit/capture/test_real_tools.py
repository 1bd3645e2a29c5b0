"""Today's sfdisk, mke2fs, blkid and lsblk still print what this room reads. Needs no root."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.capture.disks.default_layout import SAFE_EXT4_FEATURES
from haoscar_pxe.capture.disks.probing import probe
from haoscar_pxe.capture.disks.tool_output import parse_blkid, parse_dumpe2fs, parse_sfdisk
from haoscar_pxe.command import run
from tests.needed import need

MIB = 1 << 20


@pytest.fixture(autouse=True)
def _tools() -> None:
    """They are in Debian's e2fsprogs, fdisk and util-linux; CI has them."""
    need("sfdisk", "mke2fs", "blkid", "lsblk", root=False)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    with path.open("wb") as file:
        file.truncate(64 * MIB)
    return path


def test_partition_table_that_sfdisk_just_wrote(disk: Path) -> None:
    script = b"label: dos\nlabel-id: 0x1f2e3d4c\nstart=2048, size=65536, type=83, bootable\n"
    run(["sfdisk", "--quiet", str(disk)], stdin=script)
    table = parse_sfdisk(run(["sfdisk", "--json", str(disk)]).stdout)
    [row] = table.partitions
    assert (table.label, table.id) == ("dos", "0x1f2e3d4c")
    assert (row.number, row.start, row.size, row.type, row.bootable) == (1, 2048, 65536, "83", True)


def test_file_system_that_mke2fs_just_made_of_the_default_features(disk: Path) -> None:
    uuid = "6d0a3f52-58f3-4c0e-9b1e-5f3a6a3b9c01"
    features = "none," + ",".join(SAFE_EXT4_FEATURES)
    options = ["-q", "-t", "ext4", "-O", features, "-U", uuid, "-L", "my data", "-b", "4096"]
    run(["mke2fs", *options, str(disk)])
    signature = parse_blkid(run(["blkid", "-p", "-o", "export", str(disk)]).stdout)
    ext = parse_dumpe2fs(run(["dumpe2fs", "-h", str(disk)]).stdout)
    assert signature is not None
    assert (signature.kind, signature.uuid, signature.label) == ("ext4", uuid, "my data")
    assert set(ext.features) == set(SAFE_EXT4_FEATURES)
    assert ext.block_size_bytes == 4096


def test_lsblk_of_this_machine() -> None:
    assert probe(frozenset(), (), run).nodes
