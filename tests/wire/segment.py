"""Two boot servers and a machine on one segment: three namespaces and a bridge, always removed.

    switch: bridge
      │
first .1      second .2      machine .20
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count

from haoscar_pxe.command import run
from haoscar_pxe.errors import CommandError
from tests.wire.namespaces import CLIENT_MAC, Namespace

_serial = count()


@dataclass(frozen=True, slots=True)
class Segment:
    """The hosts; each has its card "eth0"."""

    first: Namespace
    second: Namespace
    machine: Namespace


@contextmanager
def segment() -> Iterator[Segment]:
    """Make it."""
    unique = f"hxt-{os.getpid()}-{next(_serial)}"
    switch = f"{unique}-switch"
    hosts = {number: Namespace(f"{unique}-{number}", "eth0") for number in (1, 2, 20)}
    try:
        run(["ip", "netns", "add", switch])
        run(["ip", "-netns", switch, "link", "add", "bridge", "type", "bridge"])
        run(["ip", "-netns", switch, "link", "set", "bridge", "up"])
        for number, host in hosts.items():
            run(["ip", "netns", "add", host.name])
            _plug(switch, host, number)
        yield Segment(hosts[1], hosts[2], hosts[20])
    finally:
        for name in (*(host.name for host in hosts.values()), switch):
            with suppress(CommandError):
                Namespace(name, "eth0").kill_everything()
                run(["ip", "netns", "delete", name])


def _plug(switch: str, host: Namespace, number: int) -> None:
    mac = CLIENT_MAC if number == 20 else f"52:54:00:77:01:{number:02x}"
    cable = ["ip", "-netns", switch, "link", "add", f"port{number}", "type", "veth", "peer"]
    run([*cable, "name", "eth0", "netns", host.name, "address", mac])
    run(["ip", "-netns", switch, "link", "set", f"port{number}", "master", "bridge", "up"])
    ip = ["ip", "-netns", host.name]
    run([*ip, "address", "add", f"10.77.0.{number}/24", "dev", "eth0"])
    for card in ("lo", "eth0"):
        run([*ip, "link", "set", card, "up"])
