"""A network of its own for a rehearsal: a namespace with one bridge, and a tap for each machine.

The server's address is on the bridge; nothing is routed, so nothing leaves the namespace. Its
name carries the pid of the rehearsal that made it (`hx-<pid>-<number>`), so that what a killed
rehearsal left behind is known by its dead owner.

Sources: ip-netns(8), namespaces(7): a thread has a network namespace of its own, and a socket
stays in the one it was made in.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Final

from pyroute2 import netns

from haoscar_pxe.command import Run, run
from haoscar_pxe.errors import RehearsalError

log = logging.getLogger(__name__)

NAME: Final = re.compile(r"hx-(\d+)-\d+")
BRIDGE: Final = "br0"
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Network:
    """A namespace that is up. server: the address of the bridge, where the boot server listens."""

    namespace: str
    server: IPv4Interface
    run: Run

    def command(self, argv: Sequence[str]) -> list[str]:
        """The argv that runs argv inside."""
        return ["ip", "netns", "exec", self.namespace, *argv]

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets that this thread opens in the block are in the namespace, and stay there."""
        netns.pushns(self.namespace)
        try:
            yield
        finally:
            netns.popns()

    def add_tap(self, name: str, *, is_apart: bool = False) -> str:
        """Make a tap for one machine's network card; at most 15 characters.

        It is on the bridge, or is_apart: a wire with nobody else on it. Linux answers ARP for each
        of its addresses on every card, so two cards on one wire both claim what one of them has.
        """
        self._ip("tuntap", "add", "dev", name, "mode", "tap")
        wire = [] if is_apart else ["master", BRIDGE]
        self._ip("link", "set", name, *wire, "up")
        return name

    def remove_tap(self, name: str) -> None:
        """Take a tap away again; nobody may have it open."""
        self._ip("link", "delete", name)

    def _ip(self, *words: str) -> None:
        self.run(["ip", "-n", self.namespace, *words], hint="a rehearsal needs root")


@contextmanager
def network(server: IPv4Interface, run: Run = run) -> Iterator[Network]:
    """Make a namespace whose bridge has the server's address; it is removed at the end.

    What still runs in it then (a machine, a server) is killed: it is this rehearsal's own.
    """
    name = f"hx-{os.getpid()}-{next(_numbers)}"
    _require_root()
    run(["ip", "netns", "add", name], hint="is this a container without CAP_SYS_ADMIN?")
    made = Network(name, server, run)
    try:
        _bring_up(made)
        yield made
    finally:
        remove(name, run)


def _bring_up(made: Network) -> None:
    # No forwarding delay, or the first DISCOVERs of a machine are lost; no multicast snooping,
    # or router advertisements are; no duplicate address detection on a wire of our own.
    made._ip("link", "set", "lo", "up")
    made._ip(
        *("link", "add", BRIDGE, "type", "bridge"),
        *("forward_delay", "0", "stp_state", "0", "mcast_snooping", "0"),
    )
    made._ip("address", "add", str(made.server), "dev", BRIDGE)
    made._ip("link", "set", BRIDGE, "up")


def clean_leftovers(run: Run = run) -> list[str]:
    """Remove the namespaces of rehearsals whose process is gone; returns their names."""
    left = [name for name in _namespaces(run) if _is_dead(name)]
    for name in left:
        log.info("removing %s, left behind by a rehearsal that was killed", name)
        remove(name, run)
    return left


def remove(name: str, run: Run = run) -> None:
    """Kill what runs in a namespace and remove it with its bridge and taps."""
    for pid in run(["ip", "netns", "pids", name]).text.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    run(["ip", "netns", "delete", name])


def _namespaces(run: Run) -> list[str]:
    # One line a namespace: "hx-4711-1" or "hx-4711-1 (id: 0)".
    return [line.split()[0] for line in run(["ip", "netns", "list"]).text.splitlines() if line]


def _is_dead(name: str) -> bool:
    matched = NAME.fullmatch(name)
    return matched is not None and not Path("/proc", matched[1]).exists()


def _require_root() -> None:
    if os.geteuid() != 0:
        raise RehearsalError(
            "a rehearsal makes a network namespace and mounts a disk, which only root may",
            hint="run the same command with sudo",
        )
