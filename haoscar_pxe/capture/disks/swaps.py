"""Swap space that the running machine uses.

Source: proc_swaps(5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from haoscar_pxe.capture.scope.belonging import DeviceOf
from haoscar_pxe.capture.scope.mounts import Mount, unescape


@dataclass(frozen=True, slots=True)
class ActiveSwap:
    """One swap space. source: a file's path or a device node."""

    source: bytes
    is_file: bool


def parse_swaps(text: bytes) -> list[ActiveSwap]:
    """Read /proc/swaps; its first line is a heading."""
    lines = [line.split() for line in text.splitlines()[1:]]
    return [ActiveSwap(unescape(line[0]), line[1] == b"file") for line in lines]


def swap_files(swaps: Sequence[ActiveSwap]) -> dict[bytes, str]:
    """Paths that a capture leaves out, and why: junk, and it would never hold still."""
    return {swap.source: "an active swap file" for swap in swaps if swap.is_file}


def swap_disks(swaps: Sequence[ActiveSwap], device_of: DeviceOf) -> frozenset[str]:
    """Kernel names of the fixed disks under active swap partitions."""
    mounts = [
        Mount(0, 0, (0, 0), b"/", b"none", "swap", swap.source)
        for swap in swaps
        if not swap.is_file
    ]
    devices = [device_of(mount) for mount in mounts]
    return frozenset(
        disk for device in devices if device and not device.passing for disk in device.disks
    )
