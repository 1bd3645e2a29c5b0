"""A probe holds or says what was seen instead."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from haoscar_pxe.rehearse.hardware import Hardware
from haoscar_pxe.rehearse.machine import Machine
from haoscar_pxe.rehearse.network import Network
from haoscar_pxe.rehearse.probe import Arp, Login, Page, Probe, ProbeResult, describe, run_probe
from tests.unit.rehearse.recorded import RecordedRun

# busybox 1.35, arping; the second with two machines that hold the address.
ONE = "Unicast reply from 10.77.0.20 [52:54:00:00:00:20] 0.310ms\nSent 1 probe(s)\n"
TWO = ONE + "Unicast reply from 10.77.0.20 [52:54:00:00:00:66] 0.412ms\n"
MAC = "52:54:00:00:00:20"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    network = Network("hx-1-1", IPv4Interface("10.77.0.1/24"), RecordedRun())
    hardware = Hardware(macs=(MAC,), accelerator="tcg", disk_bytes=512)
    with Machine(tmp_path, network, hardware) as made:
        yield made


def ask(probe: Probe, machine: Machine, arping: str = "") -> ProbeResult:
    run = RecordedRun({"ip netns exec hx-1-1 busybox arping": arping})
    network = Network("hx-1-1", IPv4Interface("10.77.0.1/24"), run)
    return run_probe(probe, network, machine, 0.0)


def test_the_login_prompt_proves_the_name(machine: Machine) -> None:
    machine.console_log.write_text("Debian GNU/Linux 12 standby ttyS0\r\n\r\nstandby login: ")
    assert ask(Login("standby"), machine).ok


@pytest.mark.parametrize("said", ["primary login: ", "other-standby login: ", "standby\n", ""])
def test_another_name_does_not(machine: Machine, said: str) -> None:
    machine.console_log.write_text(said)
    result = ask(Login("standby"), machine)
    assert not result.ok
    assert "console" in result.seen


def test_a_prompt_from_an_earlier_boot_proves_nothing(machine: Machine) -> None:
    machine.console_log.write_text("standby login: ")
    machine._said_before = machine.console_log.stat().st_size
    assert not ask(Login("standby"), machine).ok


def test_the_address_is_held_by_the_machine_itself(machine: Machine) -> None:
    assert ask(Arp("10.77.0.20", MAC), machine, ONE).ok


def test_an_address_held_twice_is_seen(machine: Machine) -> None:
    result = ask(Arp("10.77.0.20", MAC), machine, TWO)
    assert not result.ok
    assert "52:54:00:00:00:66" in result.seen


def test_a_machine_that_is_off_is_not_waited_for(machine: Machine) -> None:
    result = run_probe(Login("standby"), machine._network, machine, 3600.0)
    assert not result.ok
    assert "the machine is off" in result.seen


def test_claims_are_in_words() -> None:
    assert describe(Page("10.77.0.20", contains="up")) == "http://10.77.0.20:80/ contains 'up'"
    assert describe(Page("10.77.0.20", path="/x")) == "http://10.77.0.20:80/x answers"
