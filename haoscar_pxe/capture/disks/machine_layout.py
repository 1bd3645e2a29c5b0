"""The disk layout of the running machine, or why it has none of its own.

Finds the disks under what is captured and under swap, asks the tools for them, and leaves the rest
to `layout.py`. A root that lies on no partition (a container, a cloud machine's whole disk) gives
no layout: the default takes its place, and a warning says so.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from haoscar_pxe.capture.disks.devices import BlockDevice
from haoscar_pxe.capture.disks.fstab import FstabLine
from haoscar_pxe.capture.disks.layout import LiveDisks, Mounted, live_layout
from haoscar_pxe.capture.disks.probing import find_node, probe
from haoscar_pxe.capture.scope.belonging import Decision, DeviceOf
from haoscar_pxe.capture.scope.mounts import Mount
from haoscar_pxe.capture.scope.scope import relative
from haoscar_pxe.capture.warning import CaptureWarning
from haoscar_pxe.command import Run
from haoscar_pxe.image.layout import Boot, DiskLayout


def machine_layout(
    mounted: Mapping[BlockDevice, Sequence[Mounted]],
    swap_disks: frozenset[str],
    fstab: Sequence[FstabLine],
    boot: Boot,
    run: Run,
) -> tuple[DiskLayout | None, list[CaptureWarning]]:
    """The machine's own layout; None, with a warning, where its root lies on no partition.

    swap_disks: kernel names of disks that are part of it for their swap space alone.
    Raises CaptureError, CommandError, MissingToolError.
    """
    root = _device_of_root(mounted)
    if root is None:
        return None, [_no_partition_warning("lies on no disk of this machine")]
    by_name = {device.name: places for device, places in mounted.items()}
    wanted = frozenset(disk for device in mounted for disk in device.disks)
    facts = probe(wanted | swap_disks, by_name, run)
    node = find_node(facts.nodes, root.name)
    if node is None or node.type == "disk":
        where = f"/dev/{root.name}, without a partition table"
        return None, [_no_partition_warning(f"lies on {where}")]
    return live_layout(LiveDisks(facts, by_name, fstab), boot)


def mounted_on(
    root: bytes, decisions: Sequence[Decision], device_of: DeviceOf
) -> dict[BlockDevice, list[Mounted]]:
    """Captured file systems by the device they lie on."""
    mounted: dict[BlockDevice, list[Mounted]] = {}
    for decision in decisions:
        device = device_of(decision.mount) if decision.belongs else None
        if device is not None:
            place = Mounted(_in_image(decision.mount, root), decision.mount.kind)
            mounted.setdefault(device, []).append(place)
    return mounted


def _device_of_root(mounted: Mapping[BlockDevice, Sequence[Mounted]]) -> BlockDevice | None:
    for device, places in mounted.items():
        if any(place.mount_point == "/" for place in places):
            return device
    return None


def _in_image(mount: Mount, root: bytes) -> str:
    if len(mount.mount_point) <= len(root):
        return "/"
    return "/" + os.fsdecode(relative(mount.mount_point, root))


def _no_partition_warning(what: str) -> CaptureWarning:
    return CaptureWarning(
        f"the root {what}: clones get the plain default disk layout",
        "give another with --layout FILE",
    )
