"""hosts(5) and fstab(5) after the edit."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from haoscar_pxe.boot.host_files import edit_fstab, edit_hosts
from haoscar_pxe.image.layout import Boot, Disk, DiskLayout, FileSystem, Partition, Swap

ADDRESS = IPv4Address("10.77.0.20")
NAMES = ("standby.example", "standby")


def lines(text: str) -> dict[str, list[str]]:
    split = [line.split("#")[0].split() for line in text.splitlines()]
    return {fields[0]: fields[1:] for fields in split if fields}


def test_the_primarys_name_is_taken_off_loopback_and_kept_at_its_address() -> None:
    text = "127.0.0.1 localhost\n127.0.1.1 primary.example primary\n10.77.0.10 primary\n"
    edited = lines(edit_hosts(text, "primary", NAMES, ADDRESS))
    assert edited["127.0.0.1"] == ["localhost"]
    assert "127.0.1.1" not in edited
    assert edited["10.77.0.10"] == ["primary"]
    assert edited["10.77.0.20"] == ["standby.example", "standby"]


def test_a_primary_that_was_only_on_loopback_means_its_own_address() -> None:
    text = "127.0.0.1 localhost\n127.0.1.1 primary.example primary\n::1 localhost primary\n"
    primary = IPv4Address("10.77.0.10")
    edited = lines(edit_hosts(text, "primary", NAMES, ADDRESS, primary))
    assert edited["::1"] == ["localhost"]
    assert edited["10.77.0.10"] == ["primary.example", "primary"]
    again = edit_hosts(
        edit_hosts(text, "primary", NAMES, ADDRESS, primary), "primary", NAMES, ADDRESS
    )
    assert lines(again) == edited


def test_an_image_without_a_host_name_keeps_localhost() -> None:
    for host in ("", "localhost"):
        edited = lines(edit_hosts("127.0.0.1 localhost\n", host, NAMES, ADDRESS, ADDRESS))
        assert edited["127.0.0.1"] == ["localhost"]


def test_a_line_that_gave_only_the_own_name_is_gone() -> None:
    edited = lines(edit_hosts("127.0.1.1 primary\n", "primary", NAMES, ADDRESS))
    assert "127.0.1.1" not in edited


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n\n",
        "::1 ip6-localhost ip6-loopback # keep\n10.77.0.30 node1 # keep too\n",
    ],
)
def test_other_lines_and_comments_stay_to_the_letter(text: str) -> None:
    edited = edit_hosts(text, "primary", NAMES, ADDRESS)
    for line in text.splitlines():
        assert line in edited.splitlines()


def test_an_address_that_named_somebody_else_names_the_standby_alone() -> None:
    edited = lines(edit_hosts("10.77.0.20 oldname\n", "primary", NAMES, ADDRESS))
    assert edited["10.77.0.20"] == ["standby.example", "standby"]


def test_editing_twice_changes_nothing_more() -> None:
    once = edit_hosts("127.0.1.1 primary\n10.0.0.1 x\n", "primary", NAMES, ADDRESS)
    assert edit_hosts(once, "primary", NAMES, ADDRESS) == once


LAYOUT = DiskLayout(
    disks=(
        Disk(
            device="/dev/sda",
            size_bytes=1 << 33,
            table="mbr",
            table_id="0x1",
            partitions=(
                Partition(
                    number=1,
                    start_bytes=1 << 20,
                    size_bytes=1 << 32,
                    type_code="83",
                    content=FileSystem(kind="ext4", uuid="aaaa", mount_point="/"),
                ),
                Partition(
                    number=2,
                    start_bytes=1 << 32,
                    size_bytes=1 << 30,
                    type_code="82",
                    content=Swap(uuid="bbbb"),
                ),
            ),
        ),
    ),
    boot=Boot(firmware="bios", loader="grub", kernel_release="6.1"),
)


def test_fstab_mounts_the_layout_and_keeps_the_sites_own_lines() -> None:
    text = (
        "# mine\nUUID=old / ext4 errors=remount-ro 0 1\n"
        "nas:/home /home nfs rw 0 0\n/swap none swap sw 0 0\n"
    )
    edited = edit_fstab(text, LAYOUT)
    assert "# mine" in edited
    assert "nas:/home /home nfs rw 0 0" in edited
    assert "UUID=old" not in edited
    assert "/swap" not in edited
    assert "UUID=aaaa\t/\text4\tdefaults\t0\t1" in edited
    assert "UUID=bbbb\tnone\tswap" in edited


def test_editing_fstab_twice_changes_nothing_more() -> None:
    once = edit_fstab("proc /proc proc defaults 0 0\n", LAYOUT)
    assert edit_fstab(once, LAYOUT) == once
