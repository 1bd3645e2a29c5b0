"""The boot programs of the distribution that are served, by the name they are asked for.

- BIOS: lpxelinux.0 is pxelinux with HTTP in it, so that kernel and initramfs need no TFTP.
- UEFI: the shim that the firmware's own keys trust, and beside it the distribution's signed GRUB
  with its network modules; with Secure Boot or without. That GRUB speaks TFTP only.
- UEFI HTTP boot, and UEFI beside another DHCP server: iPXE over the firmware's own network
  driver. It is not signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from haoscar_pxe.errors import MissingToolError

BIOS_BOOT_FILE: Final = "lpxelinux.0"
UEFI_BOOT_FILE: Final = "shimx64.efi"
IPXE_FILE: Final = "snponly.efi"


@dataclass(frozen=True, slots=True)
class FirmwareFile:
    """A boot program, and where it may lie on this machine."""

    name: str
    candidates: tuple[str, ...]

    def path(self) -> Path | None:
        """Where it lies, None if nowhere."""
        return next((Path(each) for each in self.candidates if Path(each).is_file()), None)


@dataclass(frozen=True, slots=True)
class FirmwareSet:
    """The programs that one kind of firmware needs, all of them, and where they come from."""

    firmware: str
    files: tuple[FirmwareFile, ...]
    hint: str

    def missing(self) -> list[str]:
        """Names of those that are not on this machine."""
        return [file.name for file in self.files if file.path() is None]


FIRMWARE_SETS: Final = (
    FirmwareSet(
        "BIOS",
        (
            FirmwareFile(
                BIOS_BOOT_FILE,
                (
                    "/usr/lib/PXELINUX/lpxelinux.0",  # Debian, Ubuntu
                    "/usr/share/syslinux/lpxelinux.0",  # Fedora, Rocky, Alma
                ),
            ),
            FirmwareFile(
                "ldlinux.c32",
                ("/usr/lib/syslinux/modules/bios/ldlinux.c32", "/usr/share/syslinux/ldlinux.c32"),
            ),
        ),
        "apt-get install pxelinux syslinux-common (on Rocky or Alma: syslinux-tftpboot)",
    ),
    FirmwareSet(
        "UEFI",
        (
            FirmwareFile(UEFI_BOOT_FILE, ("/usr/lib/shim/shimx64.efi.signed",)),
            FirmwareFile("grubx64.efi", ("/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed",)),
        ),
        "apt-get install shim-signed grub-efi-amd64-signed",
    ),
    FirmwareSet(
        "UEFI HTTP boot or another DHCP server",
        (
            FirmwareFile(
                IPXE_FILE,
                ("/usr/lib/ipxe/snponly.efi", "/usr/share/ipxe/ipxe-snponly-x86_64.efi"),
            ),
        ),
        "apt-get install ipxe (on Rocky or Alma: ipxe-bootimgs-x86)",
    ),
)
FIRMWARE_FILES: Final = tuple(file for each in FIRMWARE_SETS for file in each.files)


def firmware_files() -> dict[str, Path]:
    """The boot programs by name, of each firmware for which all are here.

    Raises MissingToolError if that is none: then nothing could boot.
    """
    found = {
        file.name: path
        for each in FIRMWARE_SETS
        if not each.missing()
        for file in each.files
        if (path := file.path()) is not None
    }
    if not found:
        names = ", ".join(file.name for file in FIRMWARE_FILES)
        raise MissingToolError(
            f"none of the boot programs ({names}) is on this machine",
            hint="; ".join(each.hint for each in FIRMWARE_SETS),
        )
    return found
