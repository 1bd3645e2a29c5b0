"""The machine's own disks: what they are, and what is on them already.

From sysfs (Documentation/ABI/stable/sysfs-block), `blkid -p` and the disk's own first and last
MiB. It only reads, and judges nothing: `choice.py` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from haoscar_pxe.command import Run
from haoscar_pxe.errors import CommandError
from haoscar_pxe.image.layout import Firmware
from haoscar_pxe.install.claim import FIRST_BYTES, read_claim

SYSFS_SECTOR_BYTES: Final = 512
"""`size` in sysfs counts these, whatever the disk's own sectors are."""
NOT_A_DISK: Final = re.compile(r"(loop|ram|zram|dm-|md|sr|fd|nbd|mtdblock)\d|mmcblk\d+(boot|rpmb)")
BLKID_NOTHING: Final = 2
"""Exit status of `blkid -p` for "nothing is known about these bytes" (blkid(8))."""


@dataclass(frozen=True, slots=True)
class MachineDisk:
    """One disk of the machine that is to be installed.

    path: "/dev/sda". serial, wwn, model: "" where the disk tells none.
    contents: what was found on it, one line each; empty means blank.
    claim: whose half-finished installation it holds, "" for nobody's (see `claim.py`).
    """

    path: str
    size_bytes: int
    sector_bytes: int = 512
    serial: str = ""
    wwn: str = ""
    model: str = ""
    is_read_only: bool = False
    is_removable: bool = False
    contents: tuple[str, ...] = ()
    claim: str = ""

    def describe(self) -> str:
        """In one line, with all that an administrator could choose it by."""
        marks = [
            self.model,
            self.serial and f"serial:{self.serial}",
            self.wwn and f"wwn:{self.wwn}",
        ]
        told = ", ".join([f"{self.size_bytes / 1e9:.1f} GB", *filter(None, marks)])
        return f"{self.path} ({told})"


def firmware(sys: Path = Path("/sys")) -> Firmware:
    """How this machine was started."""
    return "uefi" if (sys / "firmware/efi").exists() else "bios"


def read_disks(run: Run, sys: Path = Path("/sys"), dev: Path = Path("/dev")) -> list[MachineDisk]:
    """All disks with a medium, ordered by name; partitions, loops, RAM disks and such are none."""
    names = sorted(path.name for path in (sys / "block").iterdir())
    disks = (read_disk(name, run, sys, dev) for name in names if not NOT_A_DISK.match(name))
    return [disk for disk in disks if disk is not None]


def read_disk(
    name: str, run: Run, sys: Path = Path("/sys"), dev: Path = Path("/dev")
) -> MachineDisk | None:
    """Read one disk by its kernel name; None if it is hidden (NVMe paths) or has no medium."""
    block = sys / "block" / name
    size_bytes = int(_text(block / "size") or 0) * SYSFS_SECTOR_BYTES
    if size_bytes == 0 or _text(block / "hidden") == "1":
        return None
    try:
        first, last = _ends(dev / name, size_bytes)
        contents = tuple(_contents(name, block, dev, run, first, last))
    except OSError as error:
        # A broken disk is no reason to stop if another one is to be installed on.
        first, contents = b"", (f"{dev / name}: it cannot be read ({error.strerror})",)
    return MachineDisk(
        path=str(dev / name),
        size_bytes=size_bytes,
        sector_bytes=int(_text(block / "queue/logical_block_size") or SYSFS_SECTOR_BYTES),
        serial=_serial(block),
        wwn=_text(block / "wwid") or _text(block / "device/wwid"),
        model=_text(block / "device/model"),
        is_read_only=_text(block / "ro") == "1",
        is_removable=_text(block / "removable") == "1" or "/usb" in str(block.resolve()),
        contents=contents,
        claim=read_claim(first),
    )


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("ascii", "replace").strip(" \n\0")
    except OSError:
        return ""


def _serial(block: Path) -> str:
    """virtio and NVMe have a file for it; SCSI and ATA answer in VPD page 80h (4 bytes of head)."""
    for name in ("serial", "device/serial"):
        if serial := _text(block / name):
            return serial
    try:
        page = (block / "device/vpd_pg80").read_bytes()
    except OSError:
        return ""
    return page[4:].decode("ascii", "replace").strip(" \0")


def _ends(device: Path, size_bytes: int) -> tuple[bytes, bytes]:
    with device.open("rb") as disk:
        first = disk.read(FIRST_BYTES)
        disk.seek(max(0, size_bytes - FIRST_BYTES))
        return first, disk.read(FIRST_BYTES)


def _contents(
    name: str, block: Path, dev: Path, run: Run, first: bytes, last: bytes
) -> Iterator[str]:
    yield from _signatures(dev / name, run)
    for partition in sorted(block.glob(f"{name}*/partition"), key=lambda path: str(path)):
        number = partition.parent.name
        yield from _signatures(dev / number, run) or [f"{dev / number}: a partition"]
    holders = sorted(path.name for path in (block / "holders").glob("*"))
    if holders:
        yield f"{dev / name}: in use by {', '.join(holders)}"
    for where, content in (("first", first), ("last", last)):
        if content.count(0) != len(content):
            yield f"{dev / name}: data in its {where} MiB"


def _signatures(device: Path, run: Run) -> list[str]:
    """What blkid recognises on the device's bytes, asked past its cache."""
    try:
        tags = _tags(run(["blkid", "-p", "-o", "export", str(device)]).text)
    except CommandError as error:
        if error.status == BLKID_NOTHING:
            return []
        return [f"{device}: signatures that contradict each other"]
    found = []
    if "PTTYPE" in tags:
        found.append(f"{device}: partition table ({tags['PTTYPE']})")
    if "TYPE" in tags:
        label = f" '{tags['LABEL']}'" if tags.get("LABEL") else ""
        found.append(f"{device}: {tags['TYPE']}{label}")
    return found


def _tags(exported: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in exported.splitlines())
    return {key: value for key, _, value in pairs}
