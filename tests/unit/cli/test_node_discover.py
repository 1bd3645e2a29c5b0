"""`node discover`: who is unknown, and how they become nodes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.registry import Registry
from haoscar_pxe.nodes.strangers import Stranger, StrangerFile
from tests.unit.cli.site_folder import call, make

MACS = ("52:54:00:00:01:01", "52:54:00:00:01:02", "52:54:00:00:01:03")
RULE = ("--name", "r1n[01-09]", "--address", "10.77.0.21/24")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A site where three machines were seen an hour ago, and another one last month."""
    path = make(tmp_path)
    hour_ago, month_ago = (time.time_ns() - hours * 3600 * 10**9 for hours in (1, 720))
    file = StrangerFile(tmp_path / "state" / "strangers.sqlite")
    seen = {
        mac: Stranger(mac=mac, arch=7, is_pxe=True, first_ns=hour_ago + at, last_ns=hour_ago + at)
        for at, mac in enumerate(MACS)
    }
    old = Stranger(mac="52:54:00:00:01:09", is_pxe=True, first_ns=month_ago, last_ns=month_ago)
    file.keep({**seen, old.mac: old})
    file.close()
    return path


def nodes(config: Path) -> dict[str, dict[str, object]]:
    return {
        each["name"]: each for each in json.loads(call(config, "node", "list", "--json").output)
    }


def test_unknown_machines_are_listed_in_their_order_until_they_are_nodes(config: Path) -> None:
    assert "x86-64 UEFI" in call(config, "node", "discover").output
    call(config, "node", "add", "n", "--mac", MACS[1], "--address", "10.77.0.20/24")
    listed = json.loads(call(config, "node", "discover", "--json").output)
    assert [each["mac"] for each in listed] == [MACS[0], MACS[2]]
    older = json.loads(call(config, "node", "discover", "--within", "60d", "--json").output)
    assert [each["mac"] for each in older] == ["52:54:00:00:01:09", MACS[0], MACS[2]]


def test_they_are_named_in_their_order_and_armed(config: Path) -> None:
    assert "r1n03" in call(config, "node", "discover", *RULE, "--dry-run").output
    assert nodes(config) == {}
    result = call(config, "node", "discover", *RULE, "--image", "primary", "--role", "client")
    assert result.exit_code == 0, result.output
    cards = {name: each["interfaces"][0] for name, each in nodes(config).items()}  # type: ignore[index]
    assert {name: (card["mac"], card["address"]) for name, card in cards.items()} == {
        f"r1n0{at}": (mac, f"10.77.0.2{at}/24") for at, mac in enumerate(MACS, 1)
    }
    assert {each["state"] for each in nodes(config).values()} == {"armed"}
    assert "nobody was named" in call(config, "node", "discover", *RULE).output


def test_a_swapped_machine_takes_its_predecessors_place_and_is_armed(config: Path) -> None:
    added = ("--mac", "52:54:00:00:00:20", "--address", "10.77.0.20/24")
    call(config, "node", "add", "standby", *added, "--also", "52:54:00:00:00:31,192.0.2.31/24")
    call(config, "node", "set", "standby", "--installed")
    before = nodes(config)["standby"]
    several = call(config, "node", "discover", "--replace", "standby")
    assert isinstance(several.exception, NodeError)
    swap = ("--replace", "standby", "--mac", MACS[1].upper())
    assert "would be" in call(config, "node", "discover", *swap, "--dry-run").output
    assert nodes(config)["standby"] == before
    output = call(config, "node", "discover", *swap).output
    assert f"is {MACS[1]} instead of 52:54:00:00:00:20" in output
    assert "52:54:00:00:00:31 192.0.2.31/24 is still the old machine's card" in output
    after = nodes(config)["standby"]
    assert (after["state"], after["machine_id"]) == ("armed", before["machine_id"])


def appear(config: Path, *macs: str) -> None:
    now = time.time_ns()
    with closing(StrangerFile(config.parent / "state" / "strangers.sqlite")) as file:
        file.keep({mac: Stranger(mac=mac, is_pxe=True, first_ns=now, last_ns=now) for mac in macs})


def test_programs_are_told_who_was_named_and_who_was_not(config: Path) -> None:
    rule = ("--name", "n[1-2]", "--address", "10.77.0.21/24")
    told = json.loads(call(config, "node", "discover", *rule, "--json").output)
    assert [(each["name"], each["address"]) for each in told] == [
        ("n1", "10.77.0.21/24"),
        ("n2", "10.77.0.22/24"),
        ("", ""),
    ]
    assert (told[2]["mac"], told[2]["left"]) == (MACS[2], "all names of the pattern are given")


def test_watching_names_machines_as_they_appear_until_so_many_are_named(config: Path) -> None:
    watch = ("node", "discover", *RULE, "--watch", "--count", "5", "--json")
    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(call, config, *watch)
        for last in ("11", "12", "13"):
            time.sleep(0.6)
            appear(config, f"52:54:00:00:01:{last}")
        result = watching.result(20)
    assert result.exit_code == 0, result.output
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["name"] for each in told] == [f"r1n0{at}" for at in range(1, 6)]
    assert [each["mac"] for each in told] == [*MACS, "52:54:00:00:01:11", "52:54:00:00:01:12"]
    with closing(Registry(config.parent / "state" / "registry.sqlite")) as registry:
        assert [each.name for each in registry.nodes()] == [f"r1n0{at}" for at in range(1, 6)]


def test_watching_ends_when_all_names_are_given(config: Path) -> None:
    rule = ("--name", "n[1-2]", "--address", "10.77.0.21/24")
    output = call(config, "node", "discover", *rule, "--watch").output
    assert f"{MACS[2]} is left: all names of the pattern are given" in output
    assert "2 named" in output


def test_watching_without_a_rule_says_who_appears(config: Path) -> None:
    output = call(config, "node", "discover", "--watch", "--count", "2").output
    assert [line[:17] for line in output.splitlines()] == list(MACS[:2])


def test_watching_is_ended_by_control_c(config: Path) -> None:
    program = [sys.executable, "-m", "haoscar_pxe.cli", "--config", str(config), "node", "discover"]
    argv = ["env", "--default-signal=INT", *program]  # a shell's background jobs ignore it
    watching = subprocess.Popen(
        [*argv, *RULE, "--watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with watching:
        assert watching.stdout is not None
        try:
            assert "r1n03" in [watching.stdout.readline() for _ in MACS][-1]
            time.sleep(0.1)
            watching.send_signal(signal.SIGINT)
            _, said = watching.communicate(timeout=10)
        finally:
            watching.kill()
    assert (watching.returncode, said) == (0, "3 named\n")


@pytest.mark.parametrize(
    "words",
    [
        ("--name", "n[1-3]"),
        ("--address", "10.77.0.21/24"),
        ("--mac", MACS[0]),
        (*RULE, "--replace", "standby"),
        (*RULE, "--mac", MACS[0]),
        (*RULE, "--count", "2"),
        (*RULE, "--watch", "--dry-run"),
        ("--watch", "--replace", "standby"),
    ],
)
def test_options_that_do_not_go_together_change_nothing(
    config: Path, words: tuple[str, ...]
) -> None:
    assert isinstance(call(config, "node", "discover", *words).exception, NodeError)
    assert nodes(config) == {}


def test_on_a_second_server_no_node_is_declared(config: Path) -> None:
    call(config, "node", "add", "n", "--mac", "52:54:00:00:00:20", "--address", "10.77.0.20/24")
    twin = '[twin]\nurl = "http://10.77.0.2:8069"\ntoken_file = "token"\nsecond = true\n'
    config.write_text(config.read_text() + twin)
    for words in (
        ("add", "m", "--mac", "52:54:00:00:00:21", "--address", "10.77.0.21/24"),
        ("set", "n", "--installed"),
        ("remove", "n"),
        ("discover", *RULE),
        ("discover", "--replace", "n", "--mac", MACS[0]),
    ):
        refused = call(config, "node", *words)
        assert isinstance(refused.exception, NodeError), words
        assert "first server" in str(refused.exception)
    assert [each["state"] for each in nodes(config).values()] == ["armed"]
