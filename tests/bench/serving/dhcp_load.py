"""Does four-packet exchanges with a DHCP server, so many at once, and looks at every answer.

    python -m tests.bench.serving.dhcp_load SERVER RELAY NODES AT_ONCE SECONDS

It is a relay (giaddr, RFC 2131 section 4.1) in front of NODES machines, each with the address that
`address` says. A new exchange begins when one ends, so a slow server is asked slowly and none loses
anything by being flooded. Prints one line of JSON, a Load.
"""

from __future__ import annotations

import random
import select
import socket
import sys
import time
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

import msgspec

from haoscar_pxe.wire.dhcp_options import OptionCode
from haoscar_pxe.wire.dhcp_packet import MessageType

SERVER_PORT: Final = 67
ANSWER_S: Final = 1.0
TICK_S: Final = 0.05
LONGEST_DATAGRAM: Final = 2048
OPTIONS_AT: Final = 240  # RFC 2131 section 3: behind the magic cookie
MAGIC: Final = bytes([99, 130, 83, 99])
WANTED: Final = bytes([OptionCode.PARAMETER_REQUEST_LIST, 4, 1, 3, 6, 15])


@dataclass(frozen=True, slots=True)
class Load:
    """What became of it. p99_s: of the time from DISCOVER to ACK; lost: unanswered for ANSWER_S."""

    exchanges: int
    seconds: float
    median_s: float
    p99_s: float
    lost: int
    wrong: int


def mac(number: int) -> bytes:
    """Of that machine."""
    return b"\x52\x54\x00" + number.to_bytes(3, "big")


def address(number: int) -> IPv4Address:
    """What that machine must be given."""
    return IPv4Address("10.77.1.0") + number


@dataclass(slots=True)
class Exchange:
    """One that goes on. asked_at: when its last packet was sent."""

    number: int
    began_at: float
    asked_at: float


class Relay:
    """All exchanges of one run."""

    def __init__(self, server: str, relay: str, nodes: int) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._sock.bind((relay, SERVER_PORT))
        self._server = (server, SERVER_PORT)
        self._relay = IPv4Address(relay).packed
        self._order = random.Random(1).sample(range(nodes), nodes)
        self._open: dict[int, Exchange] = {}
        self._begun = 0
        self._took_s: list[float] = []
        self._lost = self._wrong = 0

    def run(self, at_once: int, seconds: float) -> Load:
        """Keep so many going for so long."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        began = looked = now = time.monotonic()
        for _ in range(at_once):
            self._begin(now)
        while now < began + seconds:
            poll.poll(TICK_S * 1000)
            self._receive()
            now = time.monotonic()
            if now > looked + TICK_S:
                self._give_up(now)
                looked = now
        took = sorted(self._took_s) or [seconds]
        middle, high = took[len(took) // 2], took[len(took) * 99 // 100]
        return Load(len(self._took_s), now - began, middle, high, self._lost, self._wrong)

    def _begin(self, now: float) -> None:
        number = self._order[self._begun % len(self._order)]
        self._begun += 1
        xid = self._begun & 0xFFFFFFFF
        self._open[xid] = Exchange(number, now, now)
        self._send(xid, number, MessageType.DISCOVER, b"")

    def _send(self, xid: int, number: int, kind: MessageType, options: bytes) -> None:
        head = b"\1\1\6\1" + xid.to_bytes(4, "big") + bytes(16) + self._relay
        hardware = mac(number) + bytes(10 + 64 + 128) + MAGIC
        asked = bytes([OptionCode.MESSAGE_TYPE, 1, kind]) + options + WANTED + b"\xff"
        self._sock.sendto((head + hardware + asked).ljust(300, b"\0"), self._server)

    def _receive(self) -> None:
        while True:
            try:
                datagram = self._sock.recv(LONGEST_DATAGRAM)
            except BlockingIOError:
                return
            exchange = self._open.get(xid := int.from_bytes(datagram[4:8], "big"))
            if exchange is not None:
                self._answered(xid, exchange, datagram)

    def _answered(self, xid: int, exchange: Exchange, datagram: bytes) -> None:
        options = options_of(datagram)
        kind = options.get(OptionCode.MESSAGE_TYPE, b"\0")[0]
        given = datagram[16:20]
        now = time.monotonic()
        if given != address(exchange.number).packed:
            self._wrong += 1
        if kind == MessageType.OFFER:
            exchange.asked_at = now
            chosen = bytes([OptionCode.REQUESTED_ADDRESS, 4]) + given
            server = options.get(OptionCode.SERVER_IDENTIFIER, bytes(4))
            chosen += bytes([OptionCode.SERVER_IDENTIFIER, 4]) + server
            self._send(xid, exchange.number, MessageType.REQUEST, chosen)
            return
        if kind == MessageType.ACK:
            self._took_s.append(now - exchange.began_at)
        else:
            self._wrong += 1
        del self._open[xid]
        self._begin(now)

    def _give_up(self, now: float) -> None:
        silent = [xid for xid, each in self._open.items() if now - each.asked_at > ANSWER_S]
        for xid in silent:
            del self._open[xid]
            self._lost += 1
            self._begin(now)


def options_of(datagram: bytes) -> dict[int, bytes]:
    """All options; none of the servers splits or overloads them."""
    found: dict[int, bytes] = {}
    at = OPTIONS_AT
    while at + 1 < len(datagram) and datagram[at] != OptionCode.END:
        if datagram[at] == OptionCode.PAD:
            at += 1
            continue
        end = at + 2 + datagram[at + 1]
        found[datagram[at]] = datagram[at + 2 : end]
        at = end
    return found


def main(server: str, relay: str, *numbers: str) -> None:
    """Run and print."""
    nodes, at_once = map(int, numbers[:2])
    load = Relay(server, relay, nodes).run(at_once, float(numbers[2]))
    sys.stdout.write(msgspec.json.encode(load).decode() + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
