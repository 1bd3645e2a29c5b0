"""`node discover`: who is unknown, and how they become nodes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from haoscar_pxe.errors import NodeError
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


@pytest.mark.parametrize(
    "words",
    [
        ("--name", "n[1-3]"),
        ("--address", "10.77.0.21/24"),
        ("--mac", MACS[0]),
        (*RULE, "--replace", "standby"),
        (*RULE, "--mac", MACS[0]),
    ],
)
def test_options_that_do_not_go_together_change_nothing(
    config: Path, words: tuple[str, ...]
) -> None:
    assert isinstance(call(config, "node", "discover", *words).exception, NodeError)
    assert nodes(config) == {}
