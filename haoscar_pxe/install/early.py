"""The first minutes inside the machine: what the kernel command line says, and which disks came.

The initramfs's first process (`install/init`) mounts /proc, /sys, /dev and /run and loads drivers
while Python starts; here the agent learns why it was booted and waits for what it will need.
`early_network.py` brings the boot interface up.

Sources: the kernel's Documentation/admin-guide/kernel-parameters and ABI/stable/sysfs-block.
It decides nothing about disks: `plan.py` does, from the facts that `machine.py` reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Interface, ip_address, ip_interface
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from haoscar_pxe.errors import InstallError

PREFIX: Final = "haoscar."
SETTLED: Final = Path("/run/haoscar/settled")
"""`install/init` makes this file when a round over all devices found nothing new to load."""
SHELL_ALLOWED: Final = Path("/run/haoscar/shell")
"""`install/init` offers a shell after a failure if this file exists (or haoscar.shell=1)."""

POLL_S: Final = 0.05
DISKS_TIMEOUT_S: Final = 30.0
QUIET_S: Final = 2.0
"""SCSI and USB buses report their disks one by one, up to a second apart: wait for that long."""

NOT_DISKS: Final = ("loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd")


class Clock(Protocol):
    """The time, and waiting; the module `time` is one."""

    def time(self) -> float:
        """Seconds since 1970, as files are stamped with."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Wait."""
        ...


@dataclass(frozen=True, slots=True)
class BootParameters:
    """What the boot server told this machine on the kernel command line.

    server: base URL without a trailing slash. mac: of the interface that network-booted.
    gateway: "" for none. twin: of the other server of the same nodes, "" for none; asked where
    `server` does not answer. shell: the site allows a shell on the console after a failure.
    """

    server: str
    mac: str
    address: IPv4Interface
    gateway: str = ""
    shell: bool = False
    twin: str = ""


def read_boot_parameters(command_line: Path = Path("/proc/cmdline")) -> BootParameters:
    """The parameters this machine was booted with; errors as `boot_parameters`."""
    return boot_parameters(command_line.read_text(encoding="utf-8", errors="replace"))


def boot_parameters(command_line: str) -> BootParameters:
    """Pick `haoscar.…` out of a kernel command line; of a name given twice the last one counts.

    Raises InstallError naming every parameter that is missing or wrong.

    >>> line = "quiet haoscar.server=http://10.77.0.1:8080 haoscar.mac=52:54:00:12:34:56"
    >>> boot_parameters(line + " haoscar.address=10.77.0.20/24").address
    IPv4Interface('10.77.0.20/24')
    """
    words = (word.partition("=") for word in command_line.split() if word.startswith(PREFIX))
    given = {name.removeprefix(PREFIX): value for name, _, value in words}
    problems = [
        f"{PREFIX}{name}: {'is missing' if name not in given else f'{given[name]!r} is no {what}'}"
        for name, (is_valid, what) in REQUIRED.items()
        if not is_valid(given.get(name, ""))
    ]
    gateway = given.get("gateway", "")
    if gateway and not _is_gateway(gateway):
        problems.append(f"{PREFIX}gateway: {gateway!r} is no IPv4 address")
    twin = given.get("twin", "")
    if twin and not _is_server(twin):
        problems.append(f"{PREFIX}twin: {twin!r} is no http:// address")
    if problems:
        raise InstallError(
            f"the kernel command line cannot be used: {'; '.join(problems)}",
            hint="'haoscar-pxe boot explain MAC' on the server shows what this machine is sent",
        )
    return BootParameters(
        server=given["server"].rstrip("/"),
        mac=given["mac"].lower(),
        address=IPv4Interface(given["address"]),
        gateway=gateway,
        shell=given.get("shell", "0") == "1",
        twin=twin.rstrip("/"),
    )


def _is_server(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_mac(text: str) -> bool:
    octets = text.split(":")
    try:
        return len(octets) == 6 and all(len(o) == 2 and int(o, 16) >= 0 for o in octets)
    except ValueError:
        return False


def _is_interface(text: str) -> bool:
    try:
        return "/" in text and ip_interface(text).version == 4
    except ValueError:
        return False


def _is_gateway(text: str) -> bool:
    try:
        return ip_address(text).version == 4
    except ValueError:
        return False


REQUIRED: Final[dict[str, tuple[Callable[[str], bool], str]]] = {
    "server": (_is_server, "http:// address"),
    "mac": (_is_mac, "MAC address"),
    "address": (_is_interface, "IPv4 address with prefix length"),
}


def wait_until(condition: Callable[[], bool], timeout_s: float, clock: Clock = time) -> bool:
    """Ask the condition again and again; False if it did not hold within timeout_s."""
    deadline = clock.monotonic() + timeout_s
    while not condition():
        if clock.monotonic() >= deadline:
            return False
        clock.sleep(POLL_S)
    return True


def disk_names(sys_block: Path = Path("/sys/block")) -> tuple[str, ...]:
    """Kernel names of the disks there are now, removable ones with a medium included."""
    return tuple(
        sorted(
            path.name
            for path in sys_block.iterdir()
            if not path.name.startswith(NOT_DISKS) and _number(path / "size") > 0
        )
    )


def wait_for_disks(
    *,
    timeout_s: float = DISKS_TIMEOUT_S,
    clock: Clock = time,
    sysfs: Path = Path("/sys"),
    dev: Path = Path("/dev"),
    settled: Path = SETTLED,
) -> tuple[str, ...]:
    """Wait until the drivers are loaded and the disks have come; their kernel names, maybe none.

    Where a SCSI or USB host could still be finding disks, it waits until none came for QUIET_S:
    an "auto" choice between disks must not depend on which of them was first.
    """
    deadline = clock.monotonic() + timeout_s

    def remaining_s() -> float:
        return deadline - clock.monotonic()

    def is_quiet() -> bool:
        newest = max(map(_changed, [settled, *(dev / name for name in disk_names(blocks))]))
        return not _is_slow_bus(sysfs) or clock.time() - newest >= QUIET_S

    blocks = sysfs / "block"
    wait_until(settled.exists, timeout_s, clock)
    wait_until(lambda: bool(disk_names(blocks)), remaining_s(), clock)
    wait_until(is_quiet, remaining_s(), clock)
    return disk_names(blocks)


def _is_slow_bus(sysfs: Path) -> bool:
    hosts = sysfs / "class" / "scsi_host"
    return hosts.is_dir() and any(hosts.iterdir())


def _changed(path: Path) -> float:
    """When a device node or a mark was made (nobody changes them), 0 if it is gone again."""
    try:
        return path.stat().st_ctime
    except OSError:
        return 0.0


def _number(path: Path) -> int:
    """A number in sysfs; 0 where the file has gone with its device."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


def consoles(active: Path = Path("/sys/class/tty/console/active")) -> tuple[Path, ...]:
    """The terminals that the kernel writes to: people may look at any of them."""
    try:
        names = active.read_text().split()
    except OSError:
        return ()
    return tuple(Path("/dev") / name for name in names)
