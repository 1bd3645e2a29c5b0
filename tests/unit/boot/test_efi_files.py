"""Whatever the head's own firmware remembers, a standby has what any firmware looks for."""

from __future__ import annotations

from pathlib import Path

from haoscar_pxe.boot.efi_files import efi_files
from haoscar_pxe.capture.disks.default_layout import default_layout
from haoscar_pxe.image.layout import Boot, DiskLayout, Firmware, file_systems
from haoscar_pxe.nodes.order import IdentityChange
from tests.unit.boot.folder_files import tree

SIGNED = {
    "usr/lib/shim/shimx64.efi.signed": "shim of the package",
    "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed": "GRUB of the package",
}
ON_THE_HEAD = {
    "boot/efi/EFI/debian/shimx64.efi": "shim",
    "boot/efi/EFI/debian/grubx64.efi": "GRUB",
    "boot/efi/EFI/debian/grub.cfg": "search.fs_uuid ... root",
}


def layout(firmware: Firmware = "uefi") -> DiskLayout:
    boot = Boot(firmware=firmware, loader="grub", kernel_release="6.1")
    return default_layout("primary", boot, (), 1 << 30, 1000)


def made(tmp_path: Path, *files: dict[str, str], firmware: Firmware = "uefi") -> dict[str, bytes]:
    content = {name: text for each in files for name, text in each.items()}
    changes = efi_files(tree(tmp_path, content), layout(firmware))
    return {change.path.decode(): shown(change) for change in changes}


def shown(change: IdentityChange) -> bytes:
    assert change.mode == 0o700, "as a FAT shows it with umask=0077"
    return change.content or b""


def test_a_head_without_the_fallback_gets_its_own_loader_there(tmp_path: Path) -> None:
    assert made(tmp_path, ON_THE_HEAD, SIGNED) == {
        "boot/efi/EFI/BOOT/BOOTX64.EFI": b"shim",
        "boot/efi/EFI/BOOT/grubx64.efi": b"GRUB",
    }


def test_a_head_without_shim_gets_grub_alone(tmp_path: Path) -> None:
    grub = {"boot/efi/EFI/mine/GRUBX64.EFI": "GRUB"}
    assert made(tmp_path, grub) == {"boot/efi/EFI/BOOT/BOOTX64.EFI": b"GRUB"}


def test_a_head_that_has_it_is_left_alone_whatever_its_letters_case(tmp_path: Path) -> None:
    assert made(tmp_path, ON_THE_HEAD, {"boot/efi/EFI/Boot/bootx64.efi": "mine"}) == {}


def test_a_tree_without_disks_gets_all_of_it_from_its_packages(tmp_path: Path) -> None:
    found = made(tmp_path, SIGNED, {"etc/os-release": 'NAME="Ubuntu"\nID=ubuntu\n'})
    root = next(fs for fs in file_systems(layout()) if fs.mount_point == "/")
    assert found == {
        "boot/efi/EFI/BOOT/BOOTX64.EFI": b"shim of the package",
        "boot/efi/EFI/BOOT/grubx64.efi": b"GRUB of the package",
        "boot/efi/EFI/ubuntu/grub.cfg": (
            f"search.fs_uuid {root.uuid} root\nset prefix=($root)'/boot/grub'\n"
            "configfile $prefix/grub.cfg\n"
        ).encode(),
    }


def test_a_head_that_boots_by_bios_gets_nothing(tmp_path: Path) -> None:
    assert made(tmp_path, ON_THE_HEAD, SIGNED, firmware="bios") == {}
