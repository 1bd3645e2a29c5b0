"""Virtual addresses on this machine's interfaces: taken, given up, announced.

They are added as host routes (/32, /128), so that no network route depends on them, and without
duplicate address detection: the lease has decided that already, and detection takes a second.
Neither taking nor giving up opens or shuts the door; that is the kernel's and the keeper's.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from haoscar_pxe.command import Run
from haoscar_pxe.errors import CommandError, FailoverError
from haoscar_pxe.monitor.guard import VirtualAddress
from haoscar_pxe.wire.announcement import MAC_BYTES, announcements

log = logging.getLogger(__name__)

ANNOUNCED_AFTER_S: Final = (0.05, 0.2, 1.0, 5.0)
INTERFACES: Final = Path("/sys/class/net")


class Addresses:
    """The addresses of a site. run: starts `ip` (iproute2)."""

    def __init__(self, addresses: Sequence[VirtualAddress], run: Run) -> None:
        self._addresses = tuple(addresses)
        self._run = run

    def take(self) -> None:
        """Have them all. Raises FailoverError: one could not be added; the others were."""
        self._each("replace", [_nodad(each) for each in self._addresses])

    def drop(self) -> None:
        """Have none of them; that they are not there is no error."""
        with suppress(FailoverError):
            self._each("delete", ["" for _ in self._addresses])

    def announce(self) -> None:
        """Say who has them now. What cannot be sent is logged: it is said again."""
        for each in self._addresses:
            try:
                _announce(each)
            except OSError as error:
                log.warning("cannot announce %s: %s", each.address, error.strerror)

    async def announce_again(self) -> None:
        """Say it some more times: the first may be lost, or come before a switch is ready."""
        passed = 0.0
        for after in ANNOUNCED_AFTER_S:
            await asyncio.sleep(after - passed)
            passed = after
            self.announce()

    def down(self) -> tuple[str, ...]:
        """The interfaces that are not there or have no carrier."""
        names = sorted({each.interface for each in self._addresses})
        return tuple(name for name in names if not has_carrier(name))

    def _each(self, verb: str, options: Sequence[str]) -> None:
        lines = [
            f"address {verb} {each.address}/{each.ip.max_prefixlen} dev {each.interface} {option}"
            for each, option in zip(self._addresses, options, strict=True)
        ]
        try:
            self._run(["ip", "-force", "-batch", "-"], stdin="\n".join(lines).encode() + b"\n")
        except CommandError as error:
            raise FailoverError(
                f"cannot {verb} virtual addresses: {error.last_words.strip()}",
                hint="do the interfaces of [[failover.address]] exist here?",
            ) from error


def has_carrier(interface: str) -> bool:
    """Whether the interface is up and its cable in (Documentation/ABI/testing/sysfs-class-net)."""
    try:
        return (INTERFACES / interface / "carrier").read_text().strip() == "1"
    except OSError:
        return False


def _announce(each: VirtualAddress) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        raw.bind((each.interface, 0))
        mac = raw.getsockname()[4]
        if len(mac) != MAC_BYTES:
            return
        for frame in announcements(each.ip, mac):
            raw.send(frame)


def _nodad(each: VirtualAddress) -> str:
    return "nodad" if each.ip.version == 6 else ""
