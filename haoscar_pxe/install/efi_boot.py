"""Make a UEFI machine boot from its disk: an entry in its firmware's memory, and an order to try.

The boot loader itself is among the files that were laid down on the EFI system partition. Its
entry is written through efivarfs: a file for each variable, 4 bytes of attributes before the value
(the kernel's Documentation/filesystems/efivarfs.rst; UEFI 2.10 section 3.3). A machine whose
firmware cannot be written to still boots: it finds \\EFI\\BOOT\\BOOTX64.EFI (`boot/efi_files.py`).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from haoscar_pxe.command import Run
from haoscar_pxe.errors import HaoscarError, InstallError, WireError
from haoscar_pxe.install.load_option import (
    OnPartition,
    decode_order,
    description_of,
    encode,
    encode_order,
)
from haoscar_pxe.install.mounts import mounting
from haoscar_pxe.install.plan import InstallPlan, PlannedPartition
from haoscar_pxe.nodes.order import BootOrder

VARIABLES: Final = Path("/sys/firmware/efi/efivars")
GLOBAL: Final = "8be4df61-93ca-11d2-aa0d-00e098032b8c"  # EFI_GLOBAL_VARIABLE
ATTRIBUTES: Final = struct.pack("<I", 7)
"""Kept without power, for the boot services and for a running system."""
OURS: Final = "Linux (haoscar-pxe)"
"""What the entry is called; an earlier one of that name is replaced."""
PROGRAMS: Final = ("shimx64.efi", "grubx64.efi")
FALLBACK_FOLDER: Final = "boot"
FALLBACK: Final = "EFI/BOOT/BOOTX64.EFI"
MOST_ENTRIES: Final = 0x10000


class Variables:
    """The firmware's variables in a folder, which is efivarfs on a real machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes:
        """A variable's value, b"" if there is none."""
        try:
            return self._path(name).read_bytes()[len(ATTRIBUTES) :]
        except FileNotFoundError:
            return b""

    def write(self, name: str, value: bytes) -> None:
        """Set a variable, in the one write that efivarfs wants. Raises OSError."""
        fd = os.open(self._path(name), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(fd, ATTRIBUTES + value)
        finally:
            os.close(fd)

    def entries(self) -> dict[int, str]:
        """What each boot entry is called, by number; entries that cannot be read are left out."""
        found = {}
        for path in self._folder.glob(f"Boot[0-9A-F][0-9A-F][0-9A-F][0-9A-F]-{GLOBAL}"):
            try:
                found[int(path.name[4:8], 16)] = description_of(self.read(path.name[:8]))
            except (OSError, WireError):
                continue
        return found

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}-{GLOBAL}"


def install(plan: InstallPlan, target: Path, order: BootOrder, run: Run) -> str:
    """Write the entry and the order; in words what will boot.

    Raises InstallError if no boot loader is on the EFI system partition.
    """
    esp = plan.efi_system_partition
    if esp is None or esp.file_system is None:
        raise InstallError("the plan has no EFI system partition")
    top = target / esp.file_system.mount_point.lstrip("/")
    program = find_program(top)
    place = OnPartition(
        number=esp.source.number,
        start=esp.start_bytes // plan.disk.sector_bytes,
        size=esp.size_bytes // plan.disk.sector_bytes,
        partition_uuid=esp.source.uuid or _uuid_of(esp, run),
        path="\\" + str(program).replace("/", "\\"),
    )
    try:
        with mounting(run) as mount:
            if not any(VARIABLES.iterdir()):
                mount(["-t", "efivarfs", "efivarfs"], VARIABLES)
            said = set_boot(Variables(VARIABLES), place, order)
    except (OSError, HaoscarError) as error:
        said = f"the firmware takes no boot entry ({error}); it will look for {FALLBACK}"
    return f"{place.path} on {esp.device}: {said}"


def _uuid_of(esp: PlannedPartition, run: Run) -> str:
    """The UUID that sfdisk made where the layout names none."""
    return run(["blkid", "-p", "-s", "PART_ENTRY_UUID", "-o", "value", esp.device]).text.strip()


def find_program(top: Path) -> Path:
    """The boot loader on the EFI system partition mounted at top, relative to it.

    A distribution's own folder comes before the fallback, shim before GRUB. Raises InstallError.
    """
    by_name = {str(path.relative_to(top)).lower(): path for path in sorted(_programs(top))}
    for wanted in PROGRAMS:
        for name, path in by_name.items():
            folder, _, file = name.rpartition("/")
            if file == wanted and not folder.endswith(f"/{FALLBACK_FOLDER}"):
                return path.relative_to(top)
    if fallback := by_name.get(FALLBACK.lower()):
        return fallback.relative_to(top)
    raise InstallError(
        f"no boot loader is on the EFI system partition: neither {FALLBACK} nor "
        f"{' nor '.join(PROGRAMS)} in another folder",
        hint="install shim-signed and grub-efi-amd64-signed on the head and capture it again",
    )


def _programs(top: Path) -> Iterator[Path]:
    for folder in top.iterdir():
        if folder.name.lower() == "efi":
            yield from folder.glob("*/*")


def set_boot(variables: Variables, place: OnPartition, order: BootOrder) -> str:
    """Write the entry and put it into the order; in words what is tried. Raises OSError.

    "network" leaves the entry that this machine was just booted by before its disk.
    """
    known = variables.entries()
    mine = [number for number, called in known.items() if called == OURS]
    number = mine[0] if mine else next(n for n in range(MOST_ENTRIES) if n not in known)
    variables.write(f"Boot{number:04X}", encode(OURS, place))
    current = decode_order(variables.read("BootCurrent"))[:1]
    first = [*current, number] if order == "network" else [number]
    others = [each for each in decode_order(variables.read("BootOrder")) if each not in mine]
    wanted = list(dict.fromkeys([*first, *others]))
    variables.write("BootOrder", encode_order(wanted))
    names = {**known, number: OURS}
    return "boot order " + ", ".join(f"{each:04X} {names.get(each, '')}".strip() for each in wanted)
