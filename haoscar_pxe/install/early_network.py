"""Find the interface that network-booted, bring it up and give it its declared address.

Sources: the kernel's ABI/testing/sysfs-class-net. The address comes from the kernel command line,
not from DHCP again: the server's answer to a known node follows from its registry alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from haoscar_pxe.command import Run, run
from haoscar_pxe.errors import InstallError
from haoscar_pxe.install.early import BootParameters, Clock, wait_until

INTERFACE_TIMEOUT_S: Final = 30.0
CARRIER_TIMEOUT_S: Final = 60.0
"""Spanning tree and slow link negotiation: switches were seen to need 30 s and more."""
PCI_CLASS_NETWORK: Final = "0x02"
"""First byte of a network controller's class code (PCI Code and ID Assignment, section 1.3)."""


@dataclass(frozen=True, slots=True)
class Nic:
    """A network interface of this machine. driver: "" where the kernel names none."""

    name: str
    mac: str
    driver: str

    def __str__(self) -> str:
        return f"{self.name} {self.mac} ({self.driver or 'no driver named'})"


def bring_up_network(
    parameters: BootParameters, *, run: Run = run, clock: Clock = time, sysfs: Path = Path("/sys")
) -> Nic:
    """Wait for the boot interface and its link, then set address and default route.

    Raises InstallError: no such interface (naming those there are), or no link.
    May be called again; what was set before is replaced.
    """
    nic = wait_for_nic(parameters.mac, clock=clock, sysfs=sysfs)
    run(["ip", "link", "set", "dev", "lo", "up"])
    run(["ip", "link", "set", "dev", nic.name, "up"])
    wait_for_carrier(nic, clock=clock, sysfs=sysfs)
    run(["ip", "address", "flush", "dev", nic.name])
    run(["ip", "address", "add", str(parameters.address), "dev", nic.name])
    if parameters.gateway:
        run(["ip", "route", "add", "default", "via", parameters.gateway, "dev", nic.name])
    return nic


def wait_for_nic(
    mac: str,
    *,
    timeout_s: float = INTERFACE_TIMEOUT_S,
    clock: Clock = time,
    sysfs: Path = Path("/sys"),
) -> Nic:
    """The interface with this MAC. Raises InstallError saying what there is instead."""
    found: list[Nic] = []

    def is_there() -> bool:
        found[:] = [nic for nic in nics(sysfs) if nic.mac == mac.lower()]
        return bool(found)

    if wait_until(is_there, timeout_s, clock):
        return found[0]
    raise InstallError(
        f"no network interface with MAC {mac} came within {timeout_s:g} s; {_instead(sysfs)}",
        hint="if it is one of these, register that MAC with 'haoscar-pxe node set NAME --mac'; if"
        " it is missing, the captured kernel has no driver or firmware for it",
    )


def wait_for_carrier(
    nic: Nic,
    *,
    timeout_s: float = CARRIER_TIMEOUT_S,
    clock: Clock = time,
    sysfs: Path = Path("/sys"),
) -> None:
    """Wait for the link of an interface that is up. Raises InstallError if there is none."""
    carrier = sysfs / "class" / "net" / nic.name / "carrier"
    if not wait_until(lambda: _text(carrier) == "1", timeout_s, clock):
        raise InstallError(
            f"{nic} has no link after {timeout_s:g} s",
            hint="look at its cable and at the switch's port",
        )


def nics(sysfs: Path = Path("/sys")) -> list[Nic]:
    """All network interfaces but loopback, by name."""
    folders = sorted((sysfs / "class" / "net").iterdir())
    found = [Nic(f.name, _text(f / "address").lower(), _driver(f / "device")) for f in folders]
    return [nic for nic in found if nic.name != "lo" and nic.mac]


def driverless(sysfs: Path = Path("/sys")) -> list[str]:
    """PCI network controllers that no driver took, as "vendor:device"."""
    devices = sysfs / "bus" / "pci" / "devices"
    return [
        f"{_text(d / 'vendor').removeprefix('0x')}:{_text(d / 'device').removeprefix('0x')}"
        for d in (sorted(devices.iterdir()) if devices.is_dir() else [])
        if _text(d / "class").startswith(PCI_CLASS_NETWORK) and not _driver(d)
    ]


def _instead(sysfs: Path) -> str:
    there = ", ".join(map(str, nics(sysfs))) or "none"
    left = driverless(sysfs)
    without = f"; PCI network devices without a driver: {', '.join(left)}" if left else ""
    return f"this machine has: {there}{without}"


def _driver(device: Path) -> str:
    try:
        return (device / "driver").readlink().name
    except OSError:
        return ""


def _text(path: Path) -> str:
    """A sysfs attribute; "" where it cannot be read (`carrier` of an interface that is down)."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
