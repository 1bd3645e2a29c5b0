"""Whoever sits in the switch: records heartbeats, and plays them again late, twice, changed.

`python -m tests.faults.replayer PORT…` (ports of the switch) sends to each host what was sent to it
before, in another order, half of it with a changed byte, and noise to its heartbeat port, until it
is killed. It has no key.
"""

from __future__ import annotations

import random
import select
import socket
import struct
import sys
import time
from contextlib import suppress
from typing import Final

HEARTBEAT_PORT: Final = 8070
_ETH_P_ALL: Final = 0x0003
_IPV4: Final = 0x0800
_UDP_AT: Final = 34
"""Of the UDP header, in a frame whose IPv4 header has no options."""
KEPT: Final = 500
EVERY_S: Final = 0.002


def replay(ports: list[str]) -> None:
    """For ever."""
    dice = random.Random(7)
    taps = {}
    for port in ports:
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        tap.bind((port, _ETH_P_ALL))
        tap.setblocking(False)
        taps[tap] = list[bytes]()
    due = time.monotonic()
    while True:
        wait_s = max(0.0, due - time.monotonic())
        for tap in select.select(list(taps), [], [], wait_s)[0]:
            with suppress(OSError):  # the cable of that port was pulled
                _record(tap, taps[tap])
        if time.monotonic() < due:
            continue
        due = time.monotonic() + EVERY_S
        for tap, kept in taps.items():
            if kept:
                with suppress(OSError):
                    tap.send(_again(dice, kept))


def _record(tap: socket.socket, kept: list[bytes]) -> None:
    """Keep heartbeats on their way to the host behind the port."""
    frame, address = tap.recvfrom(2048)
    is_for_host = address[2] == socket.PACKET_OUTGOING
    if is_for_host and _is_heartbeat(frame) and frame not in kept:
        kept.append(frame)
        del kept[:-KEPT]


def _is_heartbeat(frame: bytes) -> bool:
    if len(frame) < _UDP_AT + 8 or frame[12:14] != struct.pack("!H", _IPV4):
        return False
    (port,) = struct.unpack_from("!H", frame, _UDP_AT + 2)
    return frame[23] == socket.IPPROTO_UDP and port == HEARTBEAT_PORT


def _again(dice: random.Random, kept: list[bytes]) -> bytes:
    """One of them as it was, or with a byte changed and its checksum switched off (RFC 768)."""
    frame = bytearray(dice.choice(kept))
    if dice.random() < 0.5:
        frame[_UDP_AT + 6 : _UDP_AT + 8] = bytes(2)
        frame[dice.randrange(_UDP_AT + 8, len(frame))] ^= dice.randrange(1, 256)
    return bytes(frame)


if __name__ == "__main__":
    replay(sys.argv[1:])
