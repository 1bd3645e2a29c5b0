"""Virtual addresses on this machine's interfaces: taken, given up, announced; over netlink.

Each takes some 50 µs and starts no program, so that a loaded machine takes over as fast as an idle
one. Neither taking nor giving up opens or shuts the door; that is the kernel's and the keeper's.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from haoscar_pxe.monitor.guard import VirtualAddress
from haoscar_pxe.wire.announcement import MAC_BYTES, announcements
from haoscar_pxe.wire.nfnetlink import results
from haoscar_pxe.wire.rtnetlink import delete_address, new_address

INTERFACES: Final = Path("/sys/class/net")
_ANSWER_BYTES: Final = 1 << 16


class Addresses:
    """The addresses of a site. It owns a netlink socket of this network namespace."""

    def __init__(self, addresses: Sequence[VirtualAddress]) -> None:
        self._addresses = tuple(addresses)
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        self._socket.setblocking(False)

    def appear(self) -> str:
        """Have them all, and say so to the segment. What could not be had, in words, or ""."""
        missing = []
        for each in self._addresses:
            try:
                self._do(new_address(socket.if_nametoindex(each.interface), each.ip))
            except OSError as error:
                missing.append(f"{each.address} on {each.interface}: {error.strerror}")
        self.announce()
        return "; ".join(missing)

    def vanish(self) -> bool:
        """Have none of them; whether none is left. One that was not there is no fault."""
        is_gone = True
        for each in self._addresses:
            try:
                self._do(delete_address(socket.if_nametoindex(each.interface), each.ip))
            except OSError as error:
                is_gone &= error.errno in (errno.EADDRNOTAVAIL, errno.ENODEV, errno.ENXIO)
        return is_gone

    def announce(self) -> None:
        """Say who has them now. What cannot be sent is passed over: it is said again."""
        for each in self._addresses:
            with suppress(OSError):
                _announce(each)

    def down(self) -> tuple[str, ...]:
        """The interfaces that are not there or have no carrier."""
        names = sorted({each.interface for each in self._addresses})
        return tuple(name for name in names if not has_carrier(name))

    def close(self) -> None:
        """Close the socket; the addresses stay as they are."""
        self._socket.close()

    def _do(self, message: bytes) -> None:
        """One change; the kernel has answered when `send` returns. Raises OSError."""
        self._socket.send(message)
        for _, status in results(self._socket.recv(_ANSWER_BYTES)):
            if status:
                raise OSError(status, os.strerror(status))


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
        if len(mac) == MAC_BYTES:
            for frame in announcements(each.ip, mac):
                raw.send(frame)
