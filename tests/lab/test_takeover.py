"""The whole story in virtual machines: a running primary, its standby, a power cut, a client.

Then the same two heads again: the active one is paused as a hypervisor does it, and the other one's
kernel panics.
"""

from __future__ import annotations

import http.client
import json
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import haoscar_pxe
from haoscar_pxe.capture.remote.ssh import Ssh
from haoscar_pxe.command import run
from haoscar_pxe.rehearse.demo import NODE_ADDRESS, NODE_MAC
from haoscar_pxe.rehearse.live_head import HOST, MAC, LiveHead
from haoscar_pxe.rehearse.network import BRIDGE, Network
from haoscar_pxe.rehearse.rehearsal import Up
from haoscar_pxe.rehearse.steps import Quiet
from haoscar_pxe.rehearse.takeover import VIRTUAL, await_active, get_page, run_takeover, until_page
from tests.needed import need

pytestmark = pytest.mark.lab

WORK = Path(haoscar_pxe.__file__).parents[1] / ".work" / "tests"
STATE = WORK / "takeover/state"
CLIENTS_WAIT_AT_MOST_S = 3.0
"""With two machines emulated on two processors; 0.7 s was seen."""
PAUSE_S = 4.0
CRASHES_WITHIN_S = 20.0


@dataclass
class More:
    """What was seen of the two heads afterwards."""

    silent_s: dict[str, float] = field(default_factory=dict)
    answering: dict[str, set[str]] = field(default_factory=dict)

    def __call__(self, up: Up, primary: LiveHead) -> None:
        standby = _standby(primary)
        primary.ssh.run("haoscar-pxe failover rejoin", run)
        await_active(STATE, "standby", is_covered=True)
        self._pause(up)
        standby.run("haoscar-pxe failover rejoin", run)
        await_active(STATE, "primary", is_covered=True)
        self._panic(up, primary)

    def _pause(self, up: Up) -> None:
        """Its kernel's timers stand still, so its door is as open as before when it goes on."""
        up.machine.pause()
        self.silent_s["pause"] = until_page(up.network)
        time.sleep(PAUSE_S)
        up.machine.resume()
        time.sleep(1)
        self.answering["pause"] = _answering(up.network)

    def _panic(self, up: Up, primary: LiveHead) -> None:
        crash = "echo 1 >/proc/sys/kernel/sysrq; sleep 1; echo c >/proc/sysrq-trigger"
        primary.ssh.run(f"setsid sh -c '{crash}' >/dev/null 2>&1 </dev/null &", run)
        _until_silent(up.network)
        self.silent_s["panic"] = until_page(up.network)
        await_active(STATE, "standby")
        self.answering["panic"] = _answering(up.network)


def test_a_standby_takes_over_from_a_primary_that_lost_its_power() -> None:
    need("qemu-system-x86_64", "debootstrap", "sfdisk", "mke2fs", "ssh", "ssh-keygen", "nft")
    more = More()
    report = run_takeover(WORK, Quiet(), afterwards=more)
    assert report.rehearsal.differences == ()
    assert all(probe.ok for probe in report.rehearsal.probes)
    assert 0.3 < report.silence_s < CLIENTS_WAIT_AT_MOST_S
    assert "was replaced by the other head" in report.returned
    assert report.ok
    (WORK / "takeover.json").write_text(json.dumps({"cut": report.silence_s, **more.silent_s}))
    assert max(more.silent_s.values()) < CLIENTS_WAIT_AT_MOST_S
    assert more.answering == {"pause": {MAC}, "panic": {NODE_MAC}}


def _standby(primary: LiveHead) -> Ssh:
    """The way to the standby's shell: a clone has the primary's host key, and accepts the same."""
    address = NODE_ADDRESS.partition("/")[0]
    options = (*primary.ssh.options, f"HostKeyAlias={HOST}")
    return replace(primary.ssh, host=f"root@{address}", options=options)


def _until_silent(network: Network) -> None:
    """Get the page until it is not to be had."""
    deadline = time.monotonic() + CRASHES_WITHIN_S
    with suppress(OSError, http.client.HTTPException):
        while time.monotonic() < deadline:
            get_page(network)
            time.sleep(0.01)
        pytest.fail(f"the head serves its page still, {CRASHES_WITHIN_S:g} s after its crash")


def _answering(network: Network) -> set[str]:
    """Whose cards claim the virtual address within two seconds."""
    argv = ["busybox", "arping", "-I", BRIDGE, "-c", "4", "-w", "3", VIRTUAL]
    said = network.run(network.command(argv)).text.lower()
    return {word.strip("[]") for word in said.split() if word.startswith("[")}
