"""What the disk tools printed on a real machine is read; nonsense is refused by name."""

from __future__ import annotations

import pytest

from haoscar_pxe.capture.disks.tool_output import (
    Signature,
    parse_blkid,
    parse_dumpe2fs,
    parse_lsblk,
    parse_sfdisk,
)
from haoscar_pxe.errors import CaptureError
from tests.unit.capture.recorded import PRIMARY


def printed(name: str) -> bytes:
    return (PRIMARY / name).read_bytes()


def test_sfdisk_of_an_mbr_disk() -> None:
    table = parse_sfdisk(printed("sfdisk-vda.json"))
    assert (table.label, table.id, table.sectorsize) == ("dos", "0x1f2e3d4c", 512)
    assert [(row.number, row.type, row.bootable) for row in table.partitions] == [
        (1, "83", True),
        (2, "5", False),
        (5, "82", False),
    ]


def test_sfdisk_of_a_gpt_disk() -> None:
    table = parse_sfdisk(printed("sfdisk-vdb.json"))
    assert table.label == "gpt"
    assert table.partitions[0].name == "EFI System"
    assert len(table.partitions[0].uuid) == 36


def test_partition_number_of_an_nvme_disk() -> None:
    table = parse_sfdisk(
        b'{"partitiontable": {"label": "gpt", "partitions":'
        b'[{"node": "/dev/nvme0n1p12", "start": 1, "size": 2, "type": "x"}]}}'
    )
    assert table.partitions[0].number == 12


def test_lsblk_gives_the_tree() -> None:
    nodes = {node.kname: node for node in parse_lsblk(printed("lsblk.json"))}
    assert [child.kname for child in nodes["vda"].children] == ["vda1", "vda2", "vda5"]
    [home, swap] = nodes["vdb"].children[2].children
    assert (home.type, home.fstype, swap.fstype) == ("lvm", "xfs", "swap")
    assert nodes["vdc"].children[0].type == "raid1"


def test_lsblk_of_old_util_linux_prints_numbers_as_strings() -> None:
    """RHEL 7 and Debian 9: every value is a string."""
    [node] = parse_lsblk(
        b'{"blockdevices": [{"kname": "cciss!c0d0", "type": "disk", "size": "4096",'
        b'"log-sec": "512", "fstype": null}]}'
    )
    assert (node.size, node.path) == (4096, "/dev/cciss/c0d0")


def test_blkid_knows_what_lies_on_each_partition() -> None:
    found = {
        name: parse_blkid(printed(f"blkid-{name}.txt"))
        for name in ("vda1", "vda2", "vda5", "vdb2", "vdb3", "vdb4", "vdb7")
    }
    assert found["vda1"] == Signature("ext4", "6d0a3f52-58f3-4c0e-9b1e-5f3a6a3b9c01")
    assert found["vda2"] is None
    assert found["vda5"] == Signature("swap", "3b1e7a94-0f6e-4c57-8d51-8a7d1c2e4f02")
    assert found["vdb2"] is not None
    assert found["vdb2"].label == "my data"
    assert found["vdb3"] is not None
    assert found["vdb3"].kind == "LVM2_member"
    assert found["vdb4"] is not None
    assert found["vdb4"].kind == "crypto_LUKS"
    assert found["vdb7"] is None


def test_dumpe2fs_of_a_mounted_file_system_shows_features_not_states() -> None:
    output = printed("dumpe2fs-vda1.txt")
    assert b"needs_recovery" in output
    ext = parse_dumpe2fs(output)
    assert "needs_recovery" not in ext.features
    assert {"has_journal", "extent", "64bit", "metadata_csum"} <= set(ext.features)
    assert (ext.block_size_bytes, ext.inode_size_bytes, ext.inode_count) == (4096, 256, 196608)


def test_small_file_system_keeps_its_small_blocks() -> None:
    assert parse_dumpe2fs(printed("dumpe2fs-vdb2.txt")).block_size_bytes == 1024


@pytest.mark.parametrize("output", [b"", b"{}", b"[1]", b'{"partitiontable": 3}', b"\xff"])
def test_output_that_is_none_is_refused_by_the_tools_name(output: bytes) -> None:
    with pytest.raises(CaptureError, match="sfdisk"):
        parse_sfdisk(output)
    with pytest.raises(CaptureError, match="lsblk"):
        parse_lsblk(output)
    with pytest.raises(CaptureError, match="dumpe2fs"):
        parse_dumpe2fs(output)
