"""A loop device over a sparse file, in the place of a machine's disk; always detached again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from haoscar_pxe.command import run
from haoscar_pxe.errors import InstallError
from haoscar_pxe.install import machine
from haoscar_pxe.install.machine import MachineDisk
from haoscar_pxe.install.partition_table import forget_partitions


@contextmanager
def attached(image: Path) -> Iterator[str]:
    """Attach the file; gives the device's path ("/dev/loop3") without any partition known."""
    device = run(["losetup", "--find", "--show", str(image)]).text.strip()
    try:
        forget_partitions(device)
        yield device
    finally:
        with suppress(InstallError):
            forget_partitions(device)
        run(["losetup", "--detach", device])


def facts(device: str) -> MachineDisk:
    """What the installer finds out about the device."""
    found = machine.read_disk(Path(device).name, run)
    assert found is not None
    return found


def make_blank(image: Path, size_bytes: int) -> None:
    """A file of that size that takes no room."""
    with image.open("wb") as file:
        file.truncate(size_bytes)
