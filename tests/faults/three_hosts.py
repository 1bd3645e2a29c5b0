"""Three hosts and an observer as network namespaces: the ground of the failover campaign.

        switch: bridges net0, net1
          │ net0: 10.77.0.0/24, where the virtual addresses are      │ net1: fd00:78::/64
    primary .10   standby .20   witness .1   observer .50       the three members

Each host runs the real monitor. Nothing leaves the namespaces; all of it is removed at the end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

from haoscar_pxe.command import run
from haoscar_pxe.errors import CommandError, FailoverError
from haoscar_pxe.monitor.talk import ask
from tests.wire.namespaces import Namespace

VIRTUAL: Final = "10.77.0.100"
VIRTUAL6: Final = "fd00:77::100"
HOSTS: Final = {"primary": 10, "standby": 20, "witness": 1, "observer": 50}
HEARTBEATS: Final = ("10.77.0.", "fd00:78::")
"""How the addresses of the two heartbeat networks begin: one is of IPv4, one of IPv6."""
MEMBERS: Final = ("primary", "standby", "witness")
HEADS: Final = ("primary", "standby")
SETTLED_S: Final = 15.0
_serial = count()


@dataclass
class Host:
    """One of the members. process: its monitor, None while it does not run."""

    name: str
    namespace: Namespace
    folder: Path
    switch: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def mac(self) -> str:
        """Of its card in the public network."""
        return _mac(self.name)

    def start(self) -> None:
        """Start its monitor."""
        log = (self.folder / "log").open("ab")
        argv = [sys.executable, "-m", "haoscar_pxe.cli", "--config", str(self.config), "monitor"]
        with log:
            self.process = subprocess.Popen(
                self.namespace.argv(argv),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
            )

    @property
    def config(self) -> Path:
        """Its configuration file."""
        return self.folder / "haoscar-pxe.toml"

    def pids(self) -> list[int]:
        """All processes of the host."""
        return [int(pid) for pid in run(["ip", "netns", "pids", self.namespace.name]).text.split()]

    def signal(self, number: int, *, only: str = "") -> None:
        """Send a signal to all its processes, or to those whose command line has a word."""
        for pid in self.pids():
            with suppress(OSError):
                if only.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, number)

    def cut(self, network: int, *, is_cut: bool) -> None:
        """Pull the cable out of the switch, or put it in again."""
        state = "down" if is_cut else "up"
        port = _port(self.name, network)
        run(["ip", "-netns", self.switch, "link", "set", port, state])

    def die(self) -> None:
        """As a host dies: no process, no cable."""
        for network in (0, 1):
            with suppress(CommandError):
                self.cut(network, is_cut=True)
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
            self.process = None

    def reboot(self) -> None:
        """As a host is after a start: without addresses and rules of before."""
        for address in (f"{VIRTUAL}/32", f"{VIRTUAL6}/128"):
            self.namespace.finishes("ip", "address", "delete", address, "dev", "eth0")
        self.namespace.finishes("nft", "flush", "ruleset")
        for network in (0, 1):
            with suppress(CommandError):
                self.cut(network, is_cut=False)
        self.start()

    def standing(self) -> dict[str, Any]:
        """What its monitor says. Raises FailoverError while it does not answer."""
        found: dict[str, Any] = ask(self.folder / "state", "status")
        return found


@dataclass
class Ground:
    """The three hosts and the observer's namespace."""

    hosts: dict[str, Host]
    observer: Namespace
    folder: Path
    background: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Start the monitors so that the primary becomes active, also on a loaded machine."""
        for name in ("primary", "witness"):
            self.hosts[name].start()
        self.wait_active("primary")
        self.hosts["standby"].start()

    def active(self) -> str:
        """Which head says of itself that it is active; "" if none does."""
        for name in HEADS:
            with suppress(FailoverError):
                if self.hosts[name].standing()["active"] == name:
                    return name
        return ""

    def wait_active(self, *names: str, within_s: float = SETTLED_S) -> str:
        """Wait until one of these heads is active; "" if none is in time."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            if (found := self.active()) in names:
                return found
            time.sleep(0.05)
        return ""

    def wait_well(self, within_s: float = SETTLED_S) -> str:
        """Wait until one head is active and all three hear each other; who is, "" if too late."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            with suppress(FailoverError):
                found = [self.hosts[name].standing() for name in MEMBERS]
                active = {each["active"] for each in found}
                hear = all(peer["is_fresh"] for each in found for peer in each["peers"])
                covered = all(each["is_covered"] for each in found)
                if len(active) == 1 and active != {""} and hear and covered:
                    return str(active.pop())
            time.sleep(0.1)
        return ""

    def logs(self) -> str:
        """The end of each monitor's log, for a test that failed."""
        return "\n".join(
            f"--- {name}\n" + (host.folder / "log").read_text(errors="replace")[-3000:]
            for name, host in self.hosts.items()
        )


@contextmanager
def three_hosts(folder: Path, extra: str = "", *, starts: bool = True) -> Iterator[Ground]:
    """Make them, and start the monitors. extra: more lines of the section [failover]."""
    unique = f"hxf-{os.getpid()}-{next(_serial)}"
    names = {name: f"{unique}-{name}" for name in (*HOSTS, "switch")}
    hosts: dict[str, Host] = {}
    try:
        for name in names.values():
            run(["ip", "netns", "add", name])
        _switch(names["switch"])
        for name, number in HOSTS.items():
            _plug(names[name], name, number, names["switch"])
        hosts |= {name: _host(folder / name, names, name, extra) for name in MEMBERS}
        ground = Ground(hosts, Namespace(names["observer"], "eth0"), folder)
        if starts:
            ground.start()
        yield ground
    finally:
        for name in names.values():
            with suppress(CommandError):
                namespace = Namespace(name, "eth0")
                for pid in run(["ip", "netns", "pids", name]).text.split():
                    with suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGCONT)
                namespace.kill_everything()
                run(["ip", "netns", "delete", name])
        for host in hosts.values():
            if host.process is not None:
                host.process.wait()


def _switch(switch: str) -> None:
    for network in (0, 1):
        bridge = f"net{network}"
        run(["ip", "-netns", switch, "link", "add", bridge, "type", "bridge"])
        run(["ip", "-netns", switch, "link", "set", bridge, "up"])


def _plug(namespace: str, name: str, number: int, switch: str) -> None:
    """A host's two cards, each with a cable to its bridge."""
    for network in (0, 1):
        port, card = _port(name, network), f"eth{network}"
        mac = _mac(name) if network == 0 else f"52:54:00:78:00:{number:02x}"
        add = ["ip", "-netns", switch, "link", "add", port, "type", "veth", "peer"]
        run([*add, "name", card, "netns", namespace, "address", mac])
        run(["ip", "-netns", switch, "link", "set", port, "master", f"net{network}", "up"])
        ip = ["ip", "-netns", namespace]
        run([*ip, "address", "add", f"10.{77 + network}.0.{number}/24", "dev", card])
        address6 = f"fd00:{77 + network}::{number}/64"
        run([*ip, "address", "add", address6, "dev", card, "nodad"])
        run([*ip, "link", "set", card, "up"])
    run(["ip", "-netns", namespace, "link", "set", "lo", "up"])


def _host(folder: Path, names: dict[str, str], name: str, extra: str) -> Host:
    folder.mkdir(parents=True)
    key = folder / "cluster.key"
    key.write_text("5a" * 32 + "\n")
    key.chmod(0o600)
    networks = "".join(
        f'[[failover.network]]\nprimary = "{before}10"\n'
        f'standby = "{before}20"\nwitness = "{before}1"\n'
        for before in HEARTBEATS
    )
    addresses = "".join(
        f'[[failover.address]]\naddress = "{address}"\ninterface = "eth0"\n'
        for address in (VIRTUAL, VIRTUAL6)
    )
    state = json.dumps(str(folder / "state"))
    text = f"[failover]\nkey = {json.dumps(str(key))}\nstate = {state}\n{extra}\n"
    (folder / "haoscar-pxe.toml").write_text(text + networks + addresses)
    return Host(name, Namespace(names[name], "eth0"), folder, names["switch"])


def _mac(name: str) -> str:
    return f"52:54:00:77:00:{HOSTS[name]:02x}"


def _port(name: str, network: int) -> str:
    return f"{name}{network}"
