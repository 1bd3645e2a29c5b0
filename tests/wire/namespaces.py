"""Two network namespaces joined by a veth pair, always removed with everything that runs in them.

Nothing leaves them: neither has a route to anywhere else.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count

from haoscar_pxe.command import Finished, run
from haoscar_pxe.errors import CommandError

SERVER_ADDRESS = "10.77.0.1/24"
CLIENT_ADDRESS = "10.77.0.20/24"
CLIENT_MAC = "52:54:00:00:00:01"
COMMAND_S = 60.0
_serial = count()


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace with one interface. interface: its name inside."""

    name: str
    interface: str

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The command that runs argv inside."""
        return ["ip", "netns", "exec", self.name, *argv]

    def run(self, *argv: str, stdin: bytes = b"", timeout_s: float = COMMAND_S) -> Finished:
        """Run a program inside to its end. Raises CommandError."""
        return run(self.argv(argv), stdin=stdin, timeout_s=timeout_s)

    def finishes(self, *argv: str) -> bool:
        """Whether the program ends with exit status 0 inside."""
        try:
            self.run(*argv)
        except CommandError:
            return False
        return True

    def start(self, *argv: str, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Start a program inside; it is killed with the namespace at the latest."""
        return subprocess.Popen(self.argv(argv), stdout=stdout, stderr=stdout)

    def kill_everything(self) -> None:
        """End every process in the namespace."""
        for pid in run(["ip", "netns", "pids", self.name]).text.split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Link:
    """A server's and a client's namespace on the same wire."""

    server: Namespace
    client: Namespace

    def cut_on_the_way(self) -> None:
        """No message leaves the server that the kernel would cut up only when it arrives.

        A veth pair passes a message of UDP_SEGMENT or TSO whole, which no real card's wire does.
        """
        self.server.run("ip", "link", "set", self.server.interface, "gso_max_segs", "1")

    def lose(self, per_cent: int) -> None:
        """From now on drop so many of the UDP datagrams at random, in each direction."""
        rule = f"meta l4proto udp numgen random mod 100 < {per_cent} drop"
        script = f"table inet loss {{ chain in {{ type filter hook input priority 0; {rule}; }}; }}"
        for namespace in (self.server, self.client):
            namespace.run("nft", "-f", "-", stdin=script.encode())


@contextmanager
def link(client_address: str | None = CLIENT_ADDRESS) -> Iterator[Link]:
    """Make both namespaces. client_address: None leaves the client without one, for DHCP."""
    unique = f"hxw-{os.getpid()}-{next(_serial)}"
    made = Link(Namespace(f"{unique}-s", "eth0"), Namespace(f"{unique}-c", "eth0"))
    with suppress(CommandError):
        run(["ip", "netns", "delete", made.server.name])
    try:
        _join(made)
        _configure(made.server, SERVER_ADDRESS)
        _configure(made.client, client_address)
        yield made
    finally:
        for namespace in (made.server, made.client):
            with suppress(CommandError):
                namespace.kill_everything()
                run(["ip", "netns", "delete", namespace.name])


def _join(made: Link) -> None:
    for namespace in (made.server, made.client):
        run(["ip", "netns", "add", namespace.name])
    ends = ["ip", "-netns", made.server.name, "link", "add", "eth0", "type", "veth"]
    run([*ends, "peer", "name", "eth0", "netns", made.client.name, "address", CLIENT_MAC])


def _configure(namespace: Namespace, address: str | None) -> None:
    ip = ["ip", "-netns", namespace.name]
    if address:
        run([*ip, "address", "add", address, "dev", namespace.interface])
    for interface in ("lo", namespace.interface):
        run([*ip, "link", "set", interface, "up"])
