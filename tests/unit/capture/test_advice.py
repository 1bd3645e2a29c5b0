"""Each warning names what will hurt on the bad day, and is silent where nothing will."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from haoscar_pxe.capture.advice import Adviser
from haoscar_pxe.capture.disks.boot_facts import Running
from haoscar_pxe.capture.disks.default_layout import default_layout
from haoscar_pxe.capture.disks.fstab import parse_fstab
from haoscar_pxe.capture.disks.initrd import Tailored
from haoscar_pxe.capture.scope.belonging import Decision
from haoscar_pxe.image.layout import Boot
from tests.unit.capture.recording import mount

UUID = "9dc97419-623a-47e6-8e9d-3c4177657691"
FSTAB = parse_fstab(f"UUID={UUID.upper()} / ext4 defaults 0 1\n".encode())
BOOT = Boot(firmware="bios", loader="grub", kernel_release="6.1.0-50-amd64")
GOOD = Adviser(
    layout=default_layout("primary", BOOT, parse_fstab(f"UUID={UUID} / ext4".encode()), 1, 1),
    fstab=FSTAB,
    decisions=(),
    running=Running("6.1.0-50-amd64", "bios"),
)


def sentences(adviser: Adviser) -> list[str]:
    warnings = adviser.warnings()
    assert all(warning.hint for warning in warnings)
    return [warning.sentence for warning in warnings]


def with_line(line: str) -> Adviser:
    return replace(GOOD, fstab=(*FSTAB, *parse_fstab(line.encode())))


def with_boot(boot: Boot) -> Adviser:
    return replace(GOOD, layout=default_layout("primary", boot, FSTAB, 1, 1))


def test_sound_head_is_not_warned() -> None:
    assert sentences(GOOD) == []


def test_device_name_in_fstab() -> None:
    [sentence] = sentences(with_line("/dev/sda5 /home ext4 defaults 0 2"))
    assert "/dev/sda5" in sentence
    assert "/home" in sentence
    assert sentences(with_line("/dev/mapper/vg-home /home ext4")) == []
    assert sentences(with_line("/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0")) == []


def test_file_system_in_fstab_that_the_layout_lacks() -> None:
    [sentence] = sentences(with_line("UUID=0000 none swap sw 0 0"))
    assert "UUID=0000" in sentence
    assert sentences(with_line("UUID=0000 /data ext4 nofail 0 0")) == []


@pytest.mark.parametrize("part", ["01", "PARTUUID"])
def test_partition_of_an_mbr_disk_is_known_by_signature_and_number(part: str) -> None:
    signature = GOOD.layout.disks[0].table_id.removeprefix("0x")
    line = f"PARTUUID={signature}-{part} / ext4 defaults 0 1"
    found = sentences(replace(GOOD, fstab=parse_fstab(line.encode())))
    assert len(found) == (0 if part == "01" else 1)


def test_missing_line_for_the_root() -> None:
    own_disks = structs.replace(GOOD.layout, is_default=False)
    [sentence] = sentences(replace(GOOD, layout=own_disks, fstab=()))
    assert "no line for /" in sentence


def test_a_tree_without_disks_gets_its_fstab_written_so_it_is_not_warned_of() -> None:
    assert sentences(replace(GOOD, fstab=())) == []


def test_local_mount_of_fstab_that_is_left_out() -> None:
    usb = Decision(mount(2, b"/backup"), False, "on a disk on USB (sdb1)")
    adviser = with_line("LABEL=backup /backup ext4 defaults,nofail")
    assert sentences(replace(adviser, decisions=(usb,))) == []
    adviser = with_line("/dev/disk/by-path/usb-1 /backup ext4 defaults")
    [sentence] = sentences(replace(adviser, decisions=(usb,)))
    assert "/backup" in sentence
    assert "USB" in sentence


def test_network_mount_of_fstab_is_no_trouble() -> None:
    nfs = Decision(mount(2, b"/home", kind="nfs"), False, "network", may_hang=True)
    assert sentences(replace(with_line("nas:/home /home nfs"), decisions=(nfs,))) == []


def test_running_kernel_that_the_image_lacks() -> None:
    [sentence] = sentences(replace(GOOD, running=Running("6.1.0-8-amd64", "bios")))
    assert "6.1.0-8-amd64" in sentence
    assert sentences(replace(GOOD, running=None)) == []


def test_tree_without_kernel_or_loader() -> None:
    [kernel] = sentences(with_boot(Boot(firmware="bios", loader="grub", kernel_release="")))
    assert "no kernel" in kernel
    [loader] = sentences(
        with_boot(Boot(firmware="bios", loader="none", kernel_release="6.1.0-50-amd64"))
    )
    assert "GRUB" in loader


def test_initrd_for_the_heads_own_hardware() -> None:
    only_here = Tailored("etc/dracut.conf", "hostonly=yes", "set hostonly=no")
    [sentence] = sentences(replace(GOOD, initrd=only_here))
    assert "hostonly=yes in /etc/dracut.conf" in sentence
