"""How a captured tree boots: its kernel, its boot loader's tools, the firmware.

The tree's own files decide, because the standby boots from them; of the running machine only its
kernel's name and its firmware are asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from haoscar_pxe.image.layout import Boot, Firmware

MKIMAGE_PLACES: Final = tuple(
    f"{folder}/{name}-mkimage"
    for name in ("grub", "grub2")
    for folder in ("usr/bin", "usr/sbin", "bin", "sbin")
)
GRUB_MODULES: Final = "usr/lib/grub/i386-pc"
EFI_FOLDERS: Final = ("boot/efi/EFI", "efi/EFI", "boot/EFI")
SIGNED_GRUB: Final = "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"
GRUB_PROGRAM: Final = "grubx64.efi"
SYSTEMD_BOOT_PLACES: Final = (
    "boot/efi/EFI/systemd/systemd-bootx64.efi",
    "boot/EFI/systemd/systemd-bootx64.efi",
    "efi/EFI/systemd/systemd-bootx64.efi",
)


@dataclass(frozen=True, slots=True)
class Running:
    """The machine the tree runs on. kernel_release: `uname -r`."""

    kernel_release: str
    firmware: Firmware


def boot_facts(root: Path, running: Running | None) -> Boot:
    """How the tree boots. running: None for a tree in which nothing runs.

    kernel_release is "" when the tree has no kernel that could boot it.
    """
    firmware = running.firmware if running else _firmware_of_tree(root)
    releases = kernel_releases(root)
    release = releases[-1] if releases else ""
    if running and running.kernel_release in releases:
        release = running.kernel_release
    return Boot(firmware=firmware, loader=_loader(root, firmware), kernel_release=release)


def kernel_releases(root: Path) -> list[str]:
    """Kernels the tree can boot, the newest last: in /lib/modules, with /boot/vmlinuz-RELEASE."""
    names = {
        folder.name
        for modules in (root / "lib/modules", root / "usr/lib/modules")
        if modules.is_dir()
        for folder in modules.iterdir()
        if (root / "boot" / f"vmlinuz-{folder.name}").is_file()
    }
    return sorted(names, key=_version_key)


def firmware_of(sys: Path = Path("/sys")) -> Firmware:
    """The firmware that the running machine was booted by."""
    return "uefi" if (sys / "firmware/efi").exists() else "bios"


def _firmware_of_tree(root: Path) -> Firmware:
    """What a tree that nobody booted is made for: UEFI only if it has nothing for a BIOS."""
    is_bios = (root / GRUB_MODULES).is_dir() or not _has_grub_program(root)
    return "bios" if is_bios else "uefi"


def _has_grub_program(root: Path) -> bool:
    """GRUB as a program of UEFI: on the EFI system partition, or in its package, to go there.

    FAT does not tell capital from small letters.
    """
    programs = (
        program.name.lower()
        for place in EFI_FOLDERS
        if (root / place).is_dir()
        for program in (root / place).glob("*/*")
    )
    return (root / SIGNED_GRUB).is_file() or GRUB_PROGRAM in programs


def _loader(root: Path, firmware: Firmware) -> str:
    if firmware == "uefi" and _has_grub_program(root):
        return "grub"
    has_mkimage = any((root / place).exists() for place in MKIMAGE_PLACES)
    if firmware == "bios" and has_mkimage and (root / GRUB_MODULES).is_dir():
        return "grub"
    if firmware == "uefi" and any((root / place).exists() for place in SYSTEMD_BOOT_PLACES):
        return "systemd-boot"
    return "none"


def _version_key(release: str) -> list[tuple[int, int, str]]:
    """Order of releases by their numbers, as people read them.

    >>> sorted(["6.1.0-10-amd64", "6.1.0-9-amd64"], key=_version_key)
    ['6.1.0-9-amd64', '6.1.0-10-amd64']
    """
    parts = re.findall(r"\d+|[^\d]+", release)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]
