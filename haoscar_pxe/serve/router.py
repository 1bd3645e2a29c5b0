"""Answering IPv6 router solicitations with "no router here", on request of the configuration only.

Source: RFC 3542 (raw ICMPv6 sockets). It never speaks unasked, and not before its own link-local
address is past duplicate detection: the kernel would send from nowhere.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from ipaddress import IPv6Address
from pathlib import Path
from typing import Final

from haoscar_pxe.errors import ServeError, WireError
from haoscar_pxe.serve.counters import Counters
from haoscar_pxe.wire.router_advertisement import (
    ALL_NODES,
    ALL_ROUTERS,
    HOP_LIMIT,
    ROUTER_SOLICITATION,
    check_solicitation,
    no_router,
)

log = logging.getLogger(__name__)

ICMP6_FILTER: Final = 1  # include/uapi/linux/icmpv6.h: a bit that is set blocks its type
IF_INET6: Final = Path("/proc/net/if_inet6")
TENTATIVE_OR_FAILED: Final = 0x40 | 0x08  # IFA_F_TENTATIVE, IFA_F_DADFAILED
BATCH: Final = 64
QUIET_S: Final = 0.2
"""At most five advertisements a second: each is heard by every machine that waits."""


def open_router(interface: str) -> socket.socket:
    """The raw ICMPv6 socket of one interface that hears solicitations only. Raises ServeError."""
    try:
        sock = socket.socket(
            socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMPV6
        )
    except OSError as error:
        raise _explain(interface, error) from error
    try:
        _configure(sock, interface)
    except OSError as error:
        sock.close()
        raise _explain(interface, error) from error
    return sock


def _configure(sock: socket.socket, interface: str) -> None:
    index = socket.if_nametoindex(interface)
    group = socket.inet_pton(socket.AF_INET6, ALL_ROUTERS) + struct.pack("@i", index)
    sock.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, passing_only(ROUTER_SOLICITATION))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, HOP_LIMIT)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)


def passing_only(icmp_type: int) -> bytes:
    """The value of ICMP6_FILTER: 256 bits in native words, 0 for the one type that may pass."""
    words = [0xFFFFFFFF] * 8
    words[icmp_type // 32] &= ~(1 << icmp_type % 32)
    return struct.pack("@8I", *words)


def _explain(interface: str, error: OSError) -> ServeError:
    return ServeError(
        f"router solicitations cannot be heard on interface {interface}: {error.strerror}",
        hint="it needs IPv6 and CAP_NET_RAW; or set 'router_advertisement = false'",
    )


class RouterService:
    """Owns the socket of `open_router`."""

    def __init__(self, sock: socket.socket, interface: str, counters: Counters) -> None:
        """To be made on the running loop."""
        self._sock = sock
        self._interface = interface
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        self._quiet_until = 0.0
        self._pending: asyncio.TimerHandle | None = None

    def on_readable(self) -> None:
        """Take solicitations; called by the loop whenever there is one."""
        for _ in range(BATCH):
            try:
                message, ancillary, _, peer = self._sock.recvmsg(1500, socket.CMSG_SPACE(4))
            except OSError:
                return
            self._heard(message, _hop_limit(ancillary), str(peer[0]))

    def _heard(self, message: bytes, hop_limit: int, peer: str) -> None:
        try:
            check_solicitation(message, hop_limit)
        except WireError as error:
            self._counters.count("router malformed")
            log.debug("router %s: not understood: %s", peer, error)
            return
        self._counters.count("router solicited")
        if self._pending is None:
            wait_s = max(0.0, self._quiet_until - self._loop.time())
            self._pending = self._loop.call_later(wait_s, self._advertise, peer)

    def _advertise(self, peer: str) -> None:
        """One advertisement to all answers everybody who has asked up to now."""
        self._pending = None
        self._quiet_until = self._loop.time() + QUIET_S
        if not has_link_local(self._interface):
            log.debug("router %s: not answered, no link-local address here yet", peer)
            return
        try:
            self._sock.sendto(no_router(), (ALL_NODES, 0))
        except OSError as error:
            self._counters.count("router not sent")
            log.warning("router %s: not answered: %s", peer, error)
            return
        self._counters.count("router answered")
        log.info("router %s asked for a router on %s -> there is none", peer, self._interface)


def _hop_limit(ancillary: list[tuple[int, int, bytes]]) -> int:
    """What the packet said, -1 if the kernel did not tell."""
    for level, kind, value in ancillary:
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT) and len(value) == 4:
            return int(struct.unpack("@i", value)[0])
    return -1


def has_link_local(interface: str, table: Path = IF_INET6) -> bool:
    """Whether the interface has a link-local address that is past duplicate detection.

    table: /proc/net/if_inet6, a row being address, index, prefix length, scope, flags, name.
    """
    try:
        rows = [line.split() for line in table.read_text().splitlines()]
    except OSError:
        return False
    return any(
        row[5] == interface
        and IPv6Address(bytes.fromhex(row[0])).is_link_local
        and not int(row[4], 16) & TENTATIVE_OR_FAILED
        for row in rows
    )
