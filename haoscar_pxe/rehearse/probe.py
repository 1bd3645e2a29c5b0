"""Is it up? What a standby is asked from inside the rehearsal's network, and what it said.

A probe is a value; `run_probe` asks again and again until it holds or the time is over, because a
machine that boots refuses everything at first.

Sources: RFC 4253 section 4.2 (an SSH server sends "SSH-2.0-…" first); agetty(8) for the prompt.
"""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from haoscar_pxe.errors import CommandError, RehearsalError
from haoscar_pxe.rehearse.machine import Machine
from haoscar_pxe.rehearse.network import BRIDGE, Network

ASK_EVERY_S: Final = 0.5
ANSWER_WITHIN_S: Final = 2.0
MAX_PAGE_BYTES: Final = 1024 * 1024
MAX_SEEN: Final = 60


@dataclass(frozen=True, slots=True)
class Login:
    """The serial console asks for a login under the machine's own name."""

    host_name: str


@dataclass(frozen=True, slots=True)
class Arp:
    """The machine with this MAC, and no other, holds the address."""

    address: str
    mac: str


@dataclass(frozen=True, slots=True)
class Ping:
    """The address answers an ICMP echo request."""

    address: str


@dataclass(frozen=True, slots=True)
class Ssh:
    """An SSH server greets."""

    address: str
    port: int = 22


@dataclass(frozen=True, slots=True)
class Page:
    """HTTP GET answers, and the body contains the text (any answer will do if it is empty)."""

    address: str
    path: str = "/"
    contains: str = ""
    port: int = 80


Probe: TypeAlias = Login | Arp | Ping | Ssh | Page


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What became of a probe. seen: what answered, or why nothing did. seconds: until then."""

    name: str
    ok: bool
    seen: str
    seconds: float


class UnansweredError(RehearsalError):
    """This time the probe did not hold; the text says what was seen instead."""


def run_probe(probe: Probe, network: Network, machine: Machine, within_s: float) -> ProbeResult:
    """Ask until the probe holds, the time is over, or the machine is off."""
    began = time.monotonic()
    while True:
        taken = time.monotonic() - began
        try:
            return ProbeResult(describe(probe), True, _ask(probe, network, machine), taken)
        except UnansweredError as unanswered:
            if taken > within_s or not machine.is_on:
                seen = str(unanswered) if machine.is_on else f"{unanswered}; the machine is off"
                return ProbeResult(describe(probe), False, seen, taken)
        time.sleep(ASK_EVERY_S)


def describe(probe: Probe) -> str:
    """The claim, in words.

    >>> describe(Ssh("10.77.0.20"))
    'an SSH server greets at 10.77.0.20:22'
    """
    match probe:
        case Login():
            return f"its console says '{probe.host_name} login:'"
        case Arp():
            return f"{probe.mac} alone holds {probe.address}"
        case Ping():
            return f"{probe.address} answers to ping"
        case Ssh():
            return f"an SSH server greets at {probe.address}:{probe.port}"
        case Page():
            wanted = f" contains '{probe.contains}'" if probe.contains else " answers"
            return f"http://{probe.address}:{probe.port}{probe.path}{wanted}"
        case _:
            assert_never(probe)


def _ask(probe: Probe, network: Network, machine: Machine) -> str:
    match probe:
        case Login():
            return _login(probe, machine)
        case Arp():
            return _arp(probe, network)
        case Ping():
            return _ping(probe, network)
        case Ssh():
            return _refused_is_unanswered(lambda: _ssh(probe, network))
        case Page():
            return _refused_is_unanswered(lambda: _page(probe, network))
        case _:
            assert_never(probe)


def _login(probe: Login, machine: Machine) -> str:
    prompt = f"{probe.host_name} login:"
    said = machine.console(since_power_on=True)
    # At the start of a line: "standby login:" is in "other-standby login:" too.
    if any(line.strip().startswith(prompt) for line in said.splitlines()):
        return prompt
    lines = said.strip().splitlines()
    raise UnansweredError(
        f"the console's last line is '{lines[-1].strip()[-MAX_SEEN:]}'"
        if lines
        else "the console is silent"
    )


def _arp(probe: Arp, network: Network) -> str:
    try:
        argv = ["busybox", "arping", "-I", BRIDGE, "-c", "2", "-w", "2", probe.address]
        said = network.run(network.command(argv)).text.lower()
    except CommandError as error:
        raise UnansweredError("nobody answers ARP") from error
    macs = {word.strip("[]") for word in said.split() if word.startswith("[")}
    if macs != {probe.mac}:
        raise UnansweredError(f"answered by {', '.join(sorted(macs)) or 'nobody'}")
    return probe.mac


def _ping(probe: Ping, network: Network) -> str:
    try:
        argv = ["busybox", "ping", "-c", "1", "-W", "1", probe.address]
        said = network.run(network.command(argv)).text
    except CommandError as error:
        raise UnansweredError("no echo reply") from error
    return next((line for line in said.splitlines() if "time=" in line), "answered")


def _ssh(probe: Ssh, network: Network) -> str:
    with _connect(network, probe.address, probe.port) as connection:
        banner = connection.recv(255).decode("ascii", "replace").strip()
    if not banner.startswith("SSH-"):
        raise UnansweredError(f"greeted with '{banner[:MAX_SEEN]}'")
    return banner


def _page(probe: Page, network: Network) -> str:
    client = http.client.HTTPConnection(probe.address, probe.port, timeout=ANSWER_WITHIN_S)
    client.sock = _connect(network, probe.address, probe.port)
    try:
        client.request("GET", probe.path)
        response = client.getresponse()
        body = response.read(MAX_PAGE_BYTES).decode("utf-8", "replace")
    finally:
        client.close()
    if probe.contains and (response.status != http.client.OK or probe.contains not in body):
        raise UnansweredError(f"status {response.status}: '{body[:MAX_SEEN].strip()}'")
    return f"status {response.status}, {len(body)} characters"


def _connect(network: Network, address: str, port: int) -> socket.socket:
    with network.inside():
        return socket.create_connection((address, port), timeout=ANSWER_WITHIN_S)


def _refused_is_unanswered(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except (OSError, http.client.HTTPException) as error:
        raise UnansweredError(str(error) or type(error).__name__) from error
