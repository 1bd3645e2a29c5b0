"""The survey before a capture: what of the tree belongs, its disks, and how it boots.

Everything that can refuse a capture is asked here, before the long part begins. It writes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec import structs

from haoscar_pxe.capture.belonging import Decision, decide
from haoscar_pxe.capture.boot_facts import Running, boot_facts, firmware_of
from haoscar_pxe.capture.devices import BlockDevice, block_device
from haoscar_pxe.capture.disks import find_node, probe
from haoscar_pxe.capture.fstab import FstabLine, parse_fstab
from haoscar_pxe.capture.layout import LiveDisks, Mounted, live_layout
from haoscar_pxe.capture.layout_file import read_layout
from haoscar_pxe.capture.mounts import Mount, parse_mountinfo, unescape
from haoscar_pxe.capture.scope import (
    Scope,
    exclusions,
    relative,
    scope_of,
    without_excluded,
)
from haoscar_pxe.capture.warning import CaptureWarning
from haoscar_pxe.command import Run
from haoscar_pxe.image.layout import Boot, DiskLayout

CONFIGURATION_FILE_MAX_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known before the walk.

    layout: None where the default is to be made once the size of the content is known.
    running: None for a tree in which nothing runs.
    """

    scope: Scope
    decisions: tuple[Decision, ...]
    boot: Boot
    running: Running | None
    layout: DiskLayout | None
    fstab: tuple[FstabLine, ...]
    hosts: str
    host_name: str
    warnings: tuple[CaptureWarning, ...]


def survey(
    root: bytes, root_fd: int, never: Mapping[bytes, str], live: bool, given: Path | None, run: Run
) -> Survey:
    """Look at the tree at root (no symbolic links in its path) and, if live, at the machine.

    never: absolute paths that are not captured, and why. given: a layout file.
    Raises CaptureError, CommandError, MissingToolError.
    """
    swap_files = _swap_files() if live else {}
    excluded = exclusions(root, {**never, **swap_files})
    mounts = parse_mountinfo(Path("/proc/self/mountinfo").read_bytes())
    decisions = without_excluded(decide(mounts, root, block_device), excluded)
    running = Running(os.uname().release, firmware_of()) if live else None
    boot = boot_facts(Path(os.fsdecode(root)), running)
    fstab = tuple(parse_fstab(tree_file(root_fd, b"etc/fstab")))
    layout, warnings = _layout(root, decisions, fstab, boot, given, live, run)
    return Survey(
        scope=scope_of(root, decisions, excluded),
        decisions=tuple(decisions),
        boot=boot,
        running=running,
        layout=layout,
        fstab=fstab,
        hosts=tree_file(root_fd, b"etc/hosts").decode("utf-8", "replace"),
        host_name=_host_name(root_fd, live),
        warnings=(*warnings, *(_swap_file_warning(path) for path in swap_files)),
    )


def tree_file(root_fd: int, path: bytes) -> bytes:
    """The start of a file of the tree; b"" when it is not there or not a plain file."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with open(os.open(path, flags, dir_fd=root_fd), "rb") as file:
            return file.read(CONFIGURATION_FILE_MAX_BYTES)
    except OSError:
        return b""


def _layout(
    root: bytes,
    decisions: Sequence[Decision],
    fstab: Sequence[FstabLine],
    boot: Boot,
    given: Path | None,
    live: bool,
    run: Run,
) -> tuple[DiskLayout | None, Sequence[CaptureWarning]]:
    if given is not None:
        return _given_layout(given, boot), ()
    if not live:
        return None, ()
    devices = {d.mount.mount_id: block_device(d.mount) for d in decisions if d.belongs}
    mounted = _mounted(root, decisions, devices)
    if not any(one.mount_point == "/" for places in mounted.values() for one in places):
        return None, (_no_disk_warning("lies on no disk of this machine"),)
    wanted = frozenset(disk for device in devices.values() if device for disk in device.disks)
    facts = probe(wanted | _swap_disks(), mounted, run)
    node = find_node(facts.nodes, _root_device(mounted))
    if node is None or node.type == "disk":
        where = node.path if node else "a device lsblk does not list"
        return None, (_no_disk_warning(f"lies on {where} without a partition table"),)
    return live_layout(LiveDisks(facts, mounted, fstab), boot)


def _given_layout(path: Path, boot: Boot) -> DiskLayout:
    """The user's layout; a kernel release that it leaves empty is the tree's own."""
    layout = read_layout(path)
    if layout.boot.kernel_release:
        return layout
    own = structs.replace(layout.boot, kernel_release=boot.kernel_release)
    return structs.replace(layout, boot=own)


def _mounted(
    root: bytes, decisions: Sequence[Decision], devices: Mapping[int, BlockDevice | None]
) -> dict[str, list[Mounted]]:
    """Captured file systems by the kernel name of their device."""
    mounted: dict[str, list[Mounted]] = {}
    for decision in decisions:
        device = devices.get(decision.mount.mount_id)
        if device is not None:
            place = Mounted(_in_image(decision.mount, root), decision.mount.kind)
            mounted.setdefault(device.name, []).append(place)
    return mounted


def _in_image(mount: Mount, root: bytes) -> str:
    if len(mount.mount_point) <= len(root):
        return "/"
    return "/" + os.fsdecode(relative(mount.mount_point, root))


def _root_device(mounted: Mapping[str, Sequence[Mounted]]) -> str:
    return next(
        name for name, places in mounted.items() if any(one.mount_point == "/" for one in places)
    )


def _no_disk_warning(what: str) -> CaptureWarning:
    return CaptureWarning(
        f"the root {what}: clones get the plain default disk layout",
        "give another with --layout FILE",
    )


def _swaps() -> list[list[bytes]]:
    """Lines of /proc/swaps: name, type, and more, proc_swaps(5)."""
    lines = Path("/proc/swaps").read_bytes().splitlines()[1:]
    return [line.split() for line in lines]


def _swap_files() -> dict[bytes, str]:
    return {unescape(swap[0]): "an active swap file" for swap in _swaps() if swap[1] == b"file"}


def _swap_disks() -> frozenset[str]:
    """Kernel names of the fixed disks with active swap partitions."""
    sources = [unescape(swap[0]) for swap in _swaps() if swap[1] == b"partition"]
    mounts = [Mount(0, 0, (0, 0), b"/", b"none", "swap", source) for source in sources]
    devices = [block_device(mount) for mount in mounts]
    return frozenset(
        disk for device in devices if device and not device.passing for disk in device.disks
    )


def _swap_file_warning(path: bytes) -> CaptureWarning:
    return CaptureWarning(
        f"the swap file {os.fsdecode(path)} is not captured; the standby starts without it",
        f"on the standby: mkswap a new {os.fsdecode(path)} of the same size",
    )


def _host_name(root_fd: int, live: bool) -> str:
    if live:
        return os.uname().nodename
    lines = tree_file(root_fd, b"etc/hostname").decode("utf-8", "replace").split("\n")
    return lines[0].strip()
