"""Who answers for a virtual address: asked a thousand times a second, from a host of its own.

`python -m tests.faults.observer ADDRESS INTERFACE` asks by ARP (broadcast, so that every head that
has the address hears it) and by ICMP echo through the kernel, as a client does, until its standard
input is closed. Then it prints the answers as runs of the same card: one JSON line.

The times are CLOCK_BOOTTIME, which all namespaces of a machine share.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Final

from haoscar_pxe.wire.announcement import internet_checksum
from tests.wire.namespaces import Namespace

PROBE_S: Final = 0.001
_ETH_P_ALL: Final = 0x0003
_ARP: Final = 0x0806
_IPV4: Final = 0x0800
_ECHO_REPLY_AT: Final = 34
"""Of the ICMP type, in a frame whose IPv4 header has no options."""


@dataclass
class Run:
    """Answers of one kind that came from one card, with none of another's between them.

    kind: "arp" or "echo". first_ns, last_ns: of the answers. longest_ns: the longest silence.
    """

    kind: str
    mac: str
    first_ns: int
    last_ns: int
    count: int = 1
    longest_ns: int = 0

    def more(self, now: int) -> None:
        """One more answer."""
        self.longest_ns = max(self.longest_ns, now - self.last_ns)
        self.last_ns, self.count = now, self.count + 1


class Observer:
    """A running observer; `stop` gives what it saw, in the order of the first answer."""

    def __init__(self, namespace: Namespace, address: str) -> None:
        argv = [sys.executable, "-m", "tests.faults.observer", address, namespace.interface]
        self._process = subprocess.Popen(
            namespace.argv(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def stop(self) -> list[Run]:
        """End it. May be called once."""
        output, _ = self._process.communicate(timeout=20)
        return [Run(**each) for each in json.loads(output)]

    def kill(self) -> None:
        """End it without asking."""
        self._process.kill()
        self._process.wait()


@contextmanager
def observing(namespace: Namespace, address: str) -> Iterator[Observer]:
    """An observer for the time of the block; `stop` it in there."""
    observer = Observer(namespace, address)
    try:
        yield observer
    finally:
        observer.kill()


def observe(address: str, interface: str) -> list[Run]:
    """Ask and listen until standard input is closed."""
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    raw.bind((interface, _ETH_P_ALL))
    raw.setblocking(False)
    own = raw.getsockname()[4]
    wanted = socket.inet_aton(address)
    question = _question(own, wanted)
    echo = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    echo.setblocking(False)
    runs: list[Run] = []
    sys.stdout.write("observing\n")
    sys.stdout.flush()
    due, number = time.monotonic(), 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        number = (number + 1) & 0xFFFF
        with suppress(OSError):
            raw.send(question)
        with suppress(OSError):
            echo.sendto(_echo(number), (address, 0))
        due = max(due + PROBE_S, time.monotonic() - 10 * PROBE_S)
        while (left := due - time.monotonic()) > 0:
            if select.select([raw], [], [], left)[0]:
                _drain(raw, own, wanted, runs)
        _drain(raw, own, wanted, runs)
    return runs


def _drain(raw: socket.socket, own: bytes, wanted: bytes, runs: list[Run]) -> None:
    while True:
        try:
            frame = raw.recv(2048)
        except BlockingIOError:
            return
        kind = _kind(frame, own, wanted)
        if kind:
            _note(runs, kind, frame[6:12].hex(":"))


def _kind(frame: bytes, own: bytes, wanted: bytes) -> str:
    """What a frame says about the address: an ARP message from it, an echo's answer, or nothing."""
    if frame[6:12] == own or len(frame) < 42:
        return ""
    (ethertype,) = struct.unpack_from("!H", frame, 12)
    if ethertype == _ARP and frame[28:32] == wanted:
        return "arp"
    is_reply = frame[26:30] == wanted and frame[23] == socket.IPPROTO_ICMP
    return "echo" if ethertype == _IPV4 and is_reply and frame[_ECHO_REPLY_AT] == 0 else ""


def _note(runs: list[Run], kind: str, mac: str) -> None:
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    last = next((run for run in reversed(runs) if run.kind == kind), None)
    if last is not None and last.mac == mac:
        last.more(now)
    else:
        runs.append(Run(kind, mac, now, now))


def _question(own: bytes, wanted: bytes) -> bytes:
    body = struct.pack("!HHBBH", 1, _IPV4, 6, 4, 1) + own + bytes(4) + bytes(6) + wanted
    return b"\xff" * 6 + own + struct.pack("!H", _ARP) + body


def _echo(number: int) -> bytes:
    checksum = internet_checksum(struct.pack("!BBHHH", 8, 0, 0, 0x4858, number))
    return struct.pack("!BBHHH", 8, 0, checksum, 0x4858, number)


if __name__ == "__main__":
    json.dump([asdict(run) for run in observe(*sys.argv[1:3])], sys.stdout)
