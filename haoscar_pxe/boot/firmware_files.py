"""The boot programs of the distribution that are served over TFTP, by the name they are asked for.

lpxelinux.0 is pxelinux with HTTP in it, so that kernel and initramfs need no TFTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from haoscar_pxe.errors import MissingToolError

BIOS_BOOT_FILE: Final = "lpxelinux.0"
_CANDIDATES: Final = {
    BIOS_BOOT_FILE: (
        "/usr/lib/PXELINUX/lpxelinux.0",  # Debian, Ubuntu
        "/usr/share/syslinux/lpxelinux.0",  # Fedora, Rocky, Alma
    ),
    "ldlinux.c32": (
        "/usr/lib/syslinux/modules/bios/ldlinux.c32",
        "/usr/share/syslinux/ldlinux.c32",
    ),
}


@dataclass(frozen=True, slots=True)
class FirmwareFile:
    """A boot program, and where it may lie on this machine."""

    name: str
    candidates: tuple[str, ...]

    def path(self) -> Path | None:
        """Where it lies, None if nowhere."""
        return next((Path(each) for each in self.candidates if Path(each).is_file()), None)


FIRMWARE_FILES: Final = tuple(FirmwareFile(*item) for item in _CANDIDATES.items())


def firmware_files() -> dict[str, Path]:
    """All boot programs by name. Raises MissingToolError naming those that are not installed."""
    found = {file.name: file.path() for file in FIRMWARE_FILES}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise MissingToolError(
            f"the boot program(s) {', '.join(missing)} are not on this machine",
            hint="apt-get install pxelinux syslinux-common (on Rocky or Alma: syslinux-tftpboot)",
        )
    return {name: path for name, path in found.items() if path is not None}
