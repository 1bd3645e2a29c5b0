"""The firmware of a rehearsal's machine: SeaBIOS, or OVMF in the ways that real machines boot by.

    bios               SeaBIOS; the network card's ROM is iPXE
    uefi               OVMF; the network card's ROM is iPXE
    uefi-native        OVMF and its own PXE: no iPXE in the way, as in most servers
    uefi-secure-boot   the same with Secure Boot, Microsoft's keys enrolled
    uefi-http          OVMF and its own HTTP boot

UEFI machines have their variables in a file of their own, which at first knows no boot entries;
what the firmware tries, and in which order, is its own affair and the installer's, not QEMU's.

Sources: OVMF's README, QEMU's "PC System Flash"; edk2's NetworkPkg for the fw_cfg names.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from haoscar_pxe.errors import MissingToolError
from haoscar_pxe.image.layout import Firmware

MachineFirmware: TypeAlias = Literal["bios", "uefi", "uefi-native", "uefi-secure-boot", "uefi-http"]
OVMF: Final = Path("/usr/share/OVMF")
BOARD: Final = ["-machine", "q35"]
NO_IPV6_BOOT: Final = ["-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n"]
NO_PXE: Final = ["-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n"]


@dataclass(frozen=True, slots=True)
class Flash:
    """The two parts of a UEFI firmware. variables: as delivered, to be copied."""

    code: Path
    variables: Path


PLAIN: Final = Flash(OVMF / "OVMF_CODE_4M.fd", OVMF / "OVMF_VARS_4M.fd")
SECURE: Final = Flash(OVMF / "OVMF_CODE_4M.ms.fd", OVMF / "OVMF_VARS_4M.ms.fd")


def for_image(firmware: Firmware) -> MachineFirmware:
    """The machine that an image is rehearsed on if nobody says which."""
    return "bios" if firmware == "bios" else "uefi-native"


def has_ipxe_rom(firmware: MachineFirmware) -> bool:
    """Whether the network card brings iPXE; Secure Boot would refuse it, for it is not signed."""
    return firmware in ("bios", "uefi")


def flash_of(firmware: MachineFirmware) -> Flash | None:
    """The files of the firmware; None for SeaBIOS, which QEMU brings along."""
    if firmware == "bios":
        return None
    return SECURE if firmware == "uefi-secure-boot" else PLAIN


def make_variables(firmware: MachineFirmware, file: Path) -> None:
    """A new machine's variables in `file`, none for a BIOS. Raises MissingToolError."""
    file.unlink(missing_ok=True)
    flash = flash_of(firmware)
    if flash is None:
        return
    if not (flash.code.is_file() and flash.variables.is_file()):
        raise MissingToolError(
            f"a machine with firmware {firmware} needs {flash.code} and {flash.variables}",
            hint="apt-get install ovmf",
        )
    shutil.copyfile(flash.variables, file)


def arguments(firmware: MachineFirmware, variables: str) -> list[str]:
    """The board with its firmware. variables: the file, as QEMU wants it written.

    A BIOS is told to try the network first, then the disk, as heads are set up.
    """
    flash = flash_of(firmware)
    if flash is None:
        return ["-machine", "pc", "-boot", "order=nc"]
    return [
        *(_secure_board() if firmware == "uefi-secure-boot" else BOARD),
        *("-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={flash.code}"),
        *("-drive", f"if=pflash,format=raw,unit=1,file={variables}"),
        *NO_IPV6_BOOT,
        *(NO_PXE if firmware == "uefi-http" else []),
    ]


def _secure_board() -> list[str]:
    """Only code in system management mode may write the variables, or anybody could add keys."""
    return [
        *("-machine", "q35,smm=on"),
        *("-global", "driver=cfi.pflash01,property=secure,value=on"),
        *("-global", "ICH9-LPC.disable_s3=1"),
    ]
