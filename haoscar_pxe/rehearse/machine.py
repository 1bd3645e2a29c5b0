"""A virtual machine whose disk starts out blank: QEMU, with a serial console kept as a file.

A machine has a folder of its own:

    disk.raw      sparse; what the machine installs itself on
    variables.fd  UEFI's variables, boot entries among them; none for a BIOS
    console.log   everything the serial line said, over all its boots
    qemu.log      what QEMU itself said
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from haoscar_pxe import command
from haoscar_pxe.errors import RehearsalError
from haoscar_pxe.rehearse.accelerator import QEMU
from haoscar_pxe.rehearse.firmware import arguments, has_ipxe_rom, make_variables
from haoscar_pxe.rehearse.hardware import RANDOM_SLOT, Hardware, card, disk
from haoscar_pxe.rehearse.network import Network
from haoscar_pxe.rehearse.qmp import Monitor

LOOK_EVERY_S: Final = 0.2
STARTS_WITHIN_S: Final = 5.0


class Machine:
    """One virtual machine in a rehearsal's network; the network must outlive it.

    Powering on is done again and again on the same disk, as with a real machine. Use as a context
    manager: it is off at the end, whatever happened.
    """

    def __init__(
        self, folder: Path, network: Network, hardware: Hardware, name: str = "machine"
    ) -> None:
        """name: what QEMU calls it, and its cards' ends outside begin with; at most 12 letters.

        Raises MissingToolError if its firmware is not on this machine.
        """
        folder.mkdir(parents=True, exist_ok=True)
        make_variables(hardware.firmware, folder / "variables.fd")
        self.hardware = hardware
        self.disk = folder / "disk.raw"
        self.variables = folder / "variables.fd"
        self.console_log = folder / "console.log"
        self.qemu_log = folder / "qemu.log"
        # Not in the machine's folder, whose name may be too long for a socket (108 bytes).
        self._run_folder = tempfile.TemporaryDirectory(prefix="hx-")
        self._qmp = Path(self._run_folder.name, "qmp")
        self._network = network
        self._name = name
        self._taps = [
            network.add_tap(f"{name}{i}", is_apart=i > 0) for i in range(len(hardware.macs))
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self.console_log.write_bytes(b"")
        self._said_before = 0
        self._make_blank_disk()

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self.power_off()
        for tap in self._taps:
            self._network.remove_tap(tap)
        self._run_folder.cleanup()

    @property
    def is_on(self) -> bool:
        """Whether QEMU runs; one that ended by itself (`stop_at_reset`) is off."""
        return self._process is not None and self._process.poll() is None

    def power_on(self, *, stop_at_reset: bool = False) -> None:
        """Switch on; it tries the network first, then the disk.

        stop_at_reset: a reboot ends the machine, so that its disk can be looked at in between.
        Raises RehearsalError with QEMU's words if it does not start.
        """
        self._qmp.unlink(missing_ok=True)
        self._said_before = self.console_log.stat().st_size
        argv = self._network.command(self.argv(stop_at_reset=stop_at_reset))
        self._process = command.start(argv, self.qemu_log)
        if not self.wait(self._qmp.exists, STARTS_WITHIN_S) or not self.is_on:
            words = self.qemu_log.read_text(errors="replace").strip()
            raise RehearsalError(f"QEMU did not start:\n{words}", hint=f"see {self.qemu_log}")

    def argv(self, *, stop_at_reset: bool) -> list[str]:
        """QEMU's command line, ready to paste (inside the network)."""
        hardware = self.hardware
        return [
            *(QEMU, "-name", self._name, "-nodefaults", "-display", "none"),
            *("-accel", hardware.accelerator, "-cpu", "max"),
            *("-smp", str(hardware.processors), "-m", str(hardware.memory_mib)),
            *("-vga", "std", "-device", f"virtio-rng-pci,addr={RANDOM_SLOT}"),
            *("-chardev", f"file,id=line,path={_value(self.console_log)},append=on"),
            *("-serial", "chardev:line"),
            *("-qmp", f"unix:{_value(self._qmp)},server=on,wait=off"),
            *arguments(hardware.firmware, _value(self.variables)),
            *(word for i, tap in enumerate(self._taps) for word in self._card(i, tap)),
            # What the guest flushes may stay in this machine's memory: a rehearsal's disk need
            # not outlive a power cut here.
            *("-drive", f"file={_value(self.disk)},format=raw,if=none,id=disk0,cache=unsafe"),
            *disk("disk0", hardware.disk_bus),
            *(["-no-reboot"] if stop_at_reset else []),
        ]

    def wait(self, is_so: Callable[[], bool], within_s: float) -> bool:
        """Wait until is_so() or the machine is off; whether is_so() in the end."""
        deadline = time.monotonic() + within_s
        while not (so := is_so()) and self.is_on and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY_S)
        return so or is_so()

    def wait_until_off(self, within_s: float) -> bool:
        """Wait until the machine is off; whether it is."""
        return self.wait(lambda: not self.is_on, within_s)

    def console(self, *, since_power_on: bool = False) -> str:
        """What the serial line said so far, in all boots or in this one."""
        said = self.console_log.read_bytes()[self._said_before if since_power_on else 0 :]
        return said.decode("utf-8", "replace")

    def screendump(self, file: Path) -> None:
        """Save what the screen shows as a PPM picture; firmware speaks there, not on the line."""
        with Monitor(self._qmp) as monitor:
            monitor.execute("screendump", filename=str(file))

    def pause(self) -> None:
        """Stop it and its clocks, as a hypervisor does that migrates or snapshots a machine."""
        with Monitor(self._qmp) as monitor:
            monitor.execute("stop")

    def resume(self) -> None:
        """Let it go on, as if no time had passed."""
        with Monitor(self._qmp) as monitor:
            monitor.execute("cont")

    def power_off(self) -> None:
        """Pull the plug; nothing the guest had not written reaches the disk."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        self._qmp.unlink(missing_ok=True)

    def _card(self, number: int, tap: str) -> list[str]:
        hardware = self.hardware
        has_rom = has_ipxe_rom(hardware.firmware)
        return card(number, tap, hardware.macs[number], hardware.nic, has_rom=has_rom)

    def _make_blank_disk(self) -> None:
        self.disk.unlink(missing_ok=True)
        with self.disk.open("wb") as file:
            os.truncate(file.fileno(), self.hardware.disk_bytes)


def _value(path: Path) -> str:
    """A path within a comma-separated option of QEMU, where a comma is written twice."""
    return str(path).replace(",", ",,")
