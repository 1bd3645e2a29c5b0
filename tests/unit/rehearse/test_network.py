"""Only what a dead rehearsal left is removed."""

from __future__ import annotations

import os
from ipaddress import IPv4Interface

from haoscar_pxe.rehearse.network import Network, clean_leftovers
from tests.unit.rehearse.recorded import RecordedRun

DEAD = "hx-999999999-1"


def test_only_namespaces_of_dead_rehearsals_are_removed() -> None:
    names = [f"{DEAD} (id: 3)", f"hx-{os.getpid()}-1", "hx-mine", "cluster", "hxw-999999999-1-s"]
    run = RecordedRun({"ip netns list": "\n".join(names) + "\n"})
    assert clean_leftovers(run) == [DEAD]
    assert [words for words in run.asked if "delete" in words] == [["ip", "netns", "delete", DEAD]]


def test_nothing_left_behind_is_nothing_to_do() -> None:
    run = RecordedRun()
    assert clean_leftovers(run) == []
    assert run.asked == [["ip", "netns", "list"]]


def test_a_command_runs_inside() -> None:
    network = Network("hx-1-1", IPv4Interface("10.77.0.1/24"), RecordedRun())
    assert network.command(["ping", "10.77.0.20"])[:4] == ["ip", "netns", "exec", "hx-1-1"]
