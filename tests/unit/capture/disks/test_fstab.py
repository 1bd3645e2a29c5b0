"""fstab is read as mount(8) reads it."""

from __future__ import annotations

import pytest

from haoscar_pxe.capture.disks.fstab import parse_fstab

DEBIAN = b"""\
# /etc/fstab: static file system information.
#
# <file system> <mount point>   <type>  <options>       <dump>  <pass>
UUID=9dc97419-623a-47e6-8e9d-3c4177657691 /               ext4    errors=remount-ro 0       1
# swap was on /dev/vda5 during installation
UUID=3b1e7a94-0f6e-4c57-8d51-8a7d1c2e4f02 none            swap    sw              0       0
/dev/sr0        /media/cdrom0   udf,iso9660 user,noauto     0       0

nas:/export/home\t/home/\tnfs\tnofail,_netdev\t0 0
LABEL="my\\040data" /srv/my\\040data ext4
unconfigured
"""


def test_lines_of_a_debian_head_are_read() -> None:
    lines = parse_fstab(DEBIAN)
    assert [line.mount_point for line in lines] == [
        "/",
        "none",
        "/media/cdrom0",
        "/home",
        "/srv/my data",
    ]
    assert [line.is_awaited for line in lines] == [True, True, False, False, True]


@pytest.mark.parametrize(
    ("source", "tag"),
    [
        ("UUID=12-34", ("UUID", "12-34")),
        ('LABEL="data"', ("LABEL", "data")),
        ("PARTUUID=1f2e3d4c-01", ("PARTUUID", "1f2e3d4c-01")),
        ("/dev/disk/by-uuid/12-34", ("UUID", "12-34")),
        ("/dev/disk/by-partlabel/EFI", ("PARTLABEL", "EFI")),
        ("/dev/disk/by-path/pci-0000", None),
        ("/dev/sda1", None),
        ("nas:/home", None),
        ("tmpfs", None),
    ],
)
def test_sources_that_name_by_tag_are_told_from_those_that_do_not(
    source: str, tag: tuple[str, str] | None
) -> None:
    [line] = parse_fstab(f"{source} / ext4 defaults".encode())
    assert line.tag == tag


def test_line_without_options_has_the_defaults() -> None:
    [line] = parse_fstab(b"UUID=1 / ext4\n")
    assert line.options == ("defaults",)
    assert line.is_awaited
