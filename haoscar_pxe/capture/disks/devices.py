"""What sysfs tells of the block device under a mount: its disks, and whether they go or stay.

Source: Documentation/ABI/testing/sysfs-block and sysfs-class-block of the kernel. It does not
open the devices.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from haoscar_pxe.capture.scope.mounts import Mount

SYS = Path("/sys")

_NETWORK_DRIVERS = {"nbd": "NBD", "rbd": "Ceph RBD", "drbd": "DRBD"}


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """Where the bytes of a mounted block device lie.

    name: the kernel's ("sda2", "dm-0"). disks: the kernel's names of the whole disks under it.
    passing: why it is not a fixed disk of this machine, in words; "" for a fixed one.
    """

    name: str
    disks: frozenset[str]
    passing: str = ""


def block_device(mount: Mount, sys: Path = SYS) -> BlockDevice | None:
    """The device that holds the mounted file system; None when it is on none."""
    number = mount.device if mount.device[0] else _source_number(mount.source)
    if number is None:
        return None
    folder = sys / "dev/block" / f"{number[0]}:{number[1]}"
    if not folder.exists():
        return None
    folder = folder.resolve()
    disks = sorted(set(_whole_disks(folder, sys)))
    reasons = [reason for disk in disks if (reason := _passing(disk))]
    return BlockDevice(
        name=folder.name,
        disks=frozenset(disk.name for disk in disks),
        passing=reasons[0] if reasons else "",
    )


def _source_number(source: bytes) -> tuple[int, int] | None:
    """Major and minor of the source as a device node: btrfs shows no device number of its own."""
    if not source.startswith(b"/"):
        return None
    try:
        status = os.stat(source)
    except OSError:
        return None
    if not stat.S_ISBLK(status.st_mode):
        return None
    return os.major(status.st_rdev), os.minor(status.st_rdev)


def _whole_disks(folder: Path, sys: Path) -> Iterator[Path]:
    """Sysfs folders of the disks under a partition, or under device-mapper and md members."""
    if (folder / "partition").exists():
        folder = folder.parent
    slaves = folder / "slaves"
    members = sorted(slaves.iterdir()) if slaves.is_dir() else []
    if not members:
        yield folder
    for member in members:
        yield from _whole_disks(member.resolve(), sys)


def _passing(disk: Path) -> str:
    if disk.name.startswith("loop"):
        return "a file mounted through a loop device"
    for prefix, network in _NETWORK_DRIVERS.items():
        if disk.name.startswith(prefix):
            return f"a disk over the network ({network})"
    if any(part.startswith("session") for part in disk.parts):
        return "a disk over the network (iSCSI)"
    if disk.name.startswith(("ram", "zram")):
        return "a disk in memory"
    removable = disk / "removable"
    if removable.exists() and removable.read_text().strip() == "1":
        return "a removable disk"
    if any(part.startswith("usb") for part in disk.parts):
        return "a disk on USB"
    return ""
