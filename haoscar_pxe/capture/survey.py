"""The survey before a capture: what of the tree belongs, its disks, and how it boots.

Everything that can refuse a capture is asked here, before the long part begins. It writes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec import structs

from haoscar_pxe.capture.disks.boot_facts import Running, boot_facts, firmware_of
from haoscar_pxe.capture.disks.devices import block_device
from haoscar_pxe.capture.disks.fstab import FstabLine, parse_fstab
from haoscar_pxe.capture.disks.initrd import Tailored, tailored
from haoscar_pxe.capture.disks.machine_layout import machine_layout, mounted_on
from haoscar_pxe.capture.disks.swaps import parse_swaps, swap_disks, swap_files
from haoscar_pxe.capture.scope.belonging import Decision, decide
from haoscar_pxe.capture.scope.mounts import parse_mountinfo
from haoscar_pxe.capture.scope.scope import Scope, exclusions, scope_of, without_excluded
from haoscar_pxe.capture.warning import CaptureWarning
from haoscar_pxe.command import Run
from haoscar_pxe.image.layout import Boot, DiskLayout

CONFIGURATION_FILE_MAX_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known before the walk.

    layout: None where the default is to be made once the size of the content is known.
    running: None for a tree in which nothing runs. initrd: None if it fits other hardware too.
    """

    scope: Scope
    decisions: tuple[Decision, ...]
    boot: Boot
    running: Running | None
    layout: DiskLayout | None
    fstab: tuple[FstabLine, ...]
    host_name: str
    initrd: Tailored | None
    warnings: tuple[CaptureWarning, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be surveyed.

    root: absolute, without symbolic links. root_fd: a descriptor of it. never: absolute paths that
    are not captured, and why. live: whether root is the running head. layout: the user's own.
    """

    root: bytes
    root_fd: int
    never: Mapping[bytes, str]
    live: bool
    layout: DiskLayout | None


def survey(question: Question, run: Run) -> Survey:
    """Look at the tree and, if it is live, at the machine.

    Raises CaptureError, CommandError, MissingToolError.
    """
    root, live = question.root, question.live
    swaps = parse_swaps(Path("/proc/swaps").read_bytes()) if live else []
    excluded = exclusions(root, {**question.never, **swap_files(swaps)})
    mounts = parse_mountinfo(Path("/proc/self/mountinfo").read_bytes())
    decisions = without_excluded(decide(mounts, root, block_device), excluded)
    running = Running(os.uname().release, firmware_of()) if live else None
    boot = boot_facts(Path(os.fsdecode(root)), running)
    fstab = tuple(parse_fstab(tree_file(question.root_fd, b"etc/fstab")))
    layout: DiskLayout | None = None
    warnings: list[CaptureWarning] = []
    if question.layout is not None:
        layout = _given_layout(question.layout, boot)
    elif live:
        mounted = mounted_on(root, decisions, block_device)
        on_disks = swap_disks(swaps, block_device)
        layout, warnings = machine_layout(mounted, on_disks, fstab, boot, run)
    return Survey(
        scope=scope_of(root, decisions, excluded),
        decisions=tuple(decisions),
        boot=boot,
        running=running,
        layout=layout,
        fstab=fstab,
        host_name=_host_name(question.root_fd, live),
        initrd=tailored(Path(os.fsdecode(root))),
        warnings=(*warnings, *(_swap_file_warning(path) for path in swap_files(swaps))),
    )


def tree_file(root_fd: int, path: bytes) -> bytes:
    """The start of a file of the tree; b"" when it is not there or not a plain file."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with open(os.open(path, flags, dir_fd=root_fd), "rb") as file:
            return file.read(CONFIGURATION_FILE_MAX_BYTES)
    except OSError:
        return b""


def _given_layout(layout: DiskLayout, boot: Boot) -> DiskLayout:
    """The user's layout; a kernel release that it leaves empty is the tree's own."""
    if layout.boot.kernel_release:
        return layout
    own = structs.replace(layout.boot, kernel_release=boot.kernel_release)
    return structs.replace(layout, boot=own)


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
