"""Which accelerator virtual machines get here: found out by starting one, not by a file's presence.

A machine can have /dev/kvm, run a boot sector under it, and hang at a kernel's first instruction
(nested virtualisation that is half there). So the very kernel that is to be rehearsed is started
under KVM, with no root file system: it must greet and panic in time. Otherwise machines run under
TCG, QEMU's own emulation, which works everywhere.
"""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Final

from haoscar_pxe import command
from haoscar_pxe.errors import CommandError, MissingToolError

log = logging.getLogger(__name__)

QEMU: Final = "qemu-system-x86_64"
QEMU_HINT: Final = "apt install qemu-system-x86 qemu-utils ipxe-qemu seabios"
KVM: Final = "kvm"
TCG: Final = "tcg,thread=multi"
PROBE_S: Final = 8.0
"""Greeting to panic takes 2 s even under TCG."""

GREETING: Final = b"Linux version"
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def accelerator(kernel: Path, folder: Path) -> str:
    """The -accel of this machine. The answer is kept in `folder` until the machine is rebooted.

    Raises MissingToolError without QEMU.
    """
    if shutil.which(QEMU) is None:
        raise MissingToolError(f"a rehearsal needs {QEMU}, which is not here", hint=QEMU_HINT)
    record = folder / "accelerator"
    this_boot = BOOT_ID.read_text().strip()
    if record.exists():
        boot, _, known = record.read_text().partition(" ")
        if boot == this_boot and known in (KVM, TCG):
            return known
    folder.mkdir(parents=True, exist_ok=True)
    found = KVM if _may_use_kvm() and boots(kernel, KVM, folder) else TCG
    record.write_text(f"{this_boot} {found}")
    return found


def boots(kernel: Path, accel: str, folder: Path, within_s: float = PROBE_S) -> bool:
    """Whether a machine with this accelerator gets as far as a running kernel, in time."""
    said = folder / "probe.console"
    said.unlink(missing_ok=True)
    try:
        command.run(_argv(kernel, accel, said), timeout_s=within_s, hint=QEMU_HINT)
    except CommandError as error:
        log.info("    a kernel does not start under %s here within %g s", accel, within_s)
        log.debug("because: %s", error)
        return False
    # The end alone proves nothing: a guest that crashes at once resets its machine too.
    return said.exists() and GREETING in said.read_bytes()


def _argv(kernel: Path, accel: str, said: Path) -> list[str]:
    return [
        *(QEMU, "-nodefaults", "-display", "none", "-no-reboot"),
        *("-accel", accel, "-cpu", "max", "-m", "512", "-serial", f"file:{said}"),
        *("-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"),
    ]


def _may_use_kvm() -> bool:
    return os.access("/dev/kvm", os.R_OK | os.W_OK)
