"""The clients of the storm, in a process of their own: many hostile datagrams, honest ones between.

    python -m tests.faults.server_load < ORDER

ORDER and what is printed are JSON: `Order` and `Outcome`. Each hundredth datagram begins an honest
client's conversation, and the storm goes on between its steps: what it sends waits in the server's
sockets behind hostile datagrams. That it is answered is also what keeps the storm from running
away from the server, so that the server has to take all of it.
"""

from __future__ import annotations

import socket
import sys
from ipaddress import IPv4Address
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from tests.faults.server_honest import DhcpClient, UnservedError, tftp_read
from tests.faults.server_storm import SERVER, Storm

EVERY: Final = 100
AT_ONCE: Final = 25
"""Hostile datagrams between two steps of an honest client."""
SOCKETS: Final = 64
"""Ports that the storm comes from, so that as many transfers can be begun at once."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """nodes: MACs in hexadecimal and addresses. files: names, and files with the same bytes.

    pool: if there is one, the storm is of invented machines that ask for these addresses.
    leases: so many invented machines have been given one each before the storm begins.
    """

    seed: str
    datagrams: int
    nodes: list[tuple[str, str]]
    files: list[tuple[str, str]]
    pool: list[str] = []
    leases: int = 0


class Outcome(msgspec.Struct, kw_only=True):
    """again: questions that were asked more than once. unserved: in words."""

    hostile: int = 0
    booted: int = 0
    read: int = 0
    again: int = 0
    unserved: list[str] = []


class Load:
    """One storm."""

    def __init__(self, order: Order) -> None:
        self._order = order
        nodes = [(bytes.fromhex(mac), IPv4Address(address)) for mac, address in order.nodes]
        storm = Storm(Random(order.seed), nodes)
        pool = [IPv4Address(each) for each in order.pool]
        self._storm = storm.strangers(pool) if pool else storm.damaged()
        self._nodes = cycle(nodes)
        self._files = cycle((name.encode(), Path(path).read_bytes()) for name, path in order.files)
        self._sockets = cycle([socket.socket(type=socket.SOCK_DGRAM) for _ in range(SOCKETS)])
        self._dhcp = DhcpClient()
        self._outcome = Outcome()

    def run(self) -> Outcome:
        """All of it."""
        for number in range(self._order.leases):
            self._dhcp.takes(b"\x06" + number.to_bytes(5, "big"))
        while self._outcome.hostile < self._order.datagrams:
            began = self._outcome.hostile
            try:
                self._honest()
            except UnservedError as error:
                self._outcome.unserved.append(str(error))
            self._throw(EVERY - 1 - (self._outcome.hostile - began))
        self._outcome.again = self._dhcp.again
        return self._outcome

    def _honest(self) -> None:
        if self._outcome.booted <= self._outcome.read:
            chaddr, address = next(self._nodes)
            self._dhcp.boots(chaddr, address, self._throw)
            self._outcome.booted += 1
            return
        name, content = next(self._files)
        if tftp_read(name, self._throw) != content:
            raise UnservedError(f"TFTP gave wrong bytes of {name!r}")
        self._outcome.read += 1

    def _throw(self, count: int = AT_ONCE) -> None:
        for port, datagram in islice(self._storm, max(count, 0)):
            _send(next(self._sockets), port, datagram)
            self._outcome.hostile += 1


def _send(sock: socket.socket, port: int, datagram: bytes) -> None:
    try:
        sock.sendto(datagram, (str(SERVER), port))
    except ConnectionRefusedError:  # of an earlier one; this one was not sent
        sock.sendto(datagram, (str(SERVER), port))


def main() -> None:
    """Obey the order on standard input."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    sys.stdout.buffer.write(msgspec.json.encode(Load(order).run()))


if __name__ == "__main__":
    main()
