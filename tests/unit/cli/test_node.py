"""`node`: what is typed is kept, shown, changed and forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from haoscar_pxe.errors import NodeError
from tests.unit.cli.site_folder import call, make

STANDBY = ("node", "add", "standby", "--mac", "52-54-00-00-00-20", "--address", "10.77.0.20/24")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = make(tmp_path)
    assert call(path, *STANDBY).exit_code == 0
    return path


def shown(config: Path) -> dict[str, object]:
    result = call(config, "node", "show", "standby", "--json")
    assert result.exit_code == 0, result.output
    document: dict[str, object] = json.loads(result.output)
    return document


def test_an_added_node_is_listed_armed(config: Path) -> None:
    output = call(config, "node", "list").output
    for word in ("standby", "armed", "52:54:00:00:00:20", "10.77.0.20/24", "newest"):
        assert word in output


def test_the_token_is_never_printed(config: Path) -> None:
    assert shown(config)["order_token"] == "(hidden)"


def test_set_changes_what_is_given_and_nothing_else(config: Path) -> None:
    before = shown(config)
    result = call(config, "node", "set", "standby", "--disk", "serial:X1", "--wipe", "any")
    assert result.exit_code == 0, result.output
    after = shown(config)
    assert (after["disk"], after["wipe"]) == ("serial:X1", "any")
    unchanged = {key: value for key, value in before.items() if key not in ("disk", "wipe")}
    assert {key: after[key] for key in unchanged} == unchanged


def test_an_installed_node_is_armed_again_by_word(config: Path) -> None:
    call(config, "node", "set", "standby", "--installed")
    assert shown(config)["state"] == "installed"
    call(config, "node", "set", "standby", "--install", "--generation", "1")
    assert (shown(config)["state"], shown(config)["generation"]) == ("armed", 1)
    call(config, "node", "set", "standby", "--generation", "newest")
    assert shown(config)["generation"] is None


def test_more_interfaces_are_declared_with_also(config: Path) -> None:
    also = "52:54:00:00:00:31,192.0.2.31/24,192.0.2.1,ens9"
    result = call(
        config, "node", "add", "two", "--mac", "52:54:00:00:00:30", "--address", "10.77.0.30/24",
        "--also", also,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    (_, second) = json.loads(call(config, "node", "show", "two", "--json").output)["interfaces"]
    assert second["name"] == "ens9"
    assert second["gateway"] == "192.0.2.1"


@pytest.mark.parametrize(
    "words",
    [
        STANDBY,
        ("node", "show", "nobody"),
        ("node", "remove", "nobody"),
        ("node", "set", "standby", "--generation", "last"),
        ("node", "set", "standby", "--install", "--installed"),
        ("node", "add", "x", "--mac", "52:54:00:00:00:21", "--address", "10.77.0.21"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(words: tuple[str, ...], config: Path) -> None:
    before = shown(config)
    assert isinstance(call(config, *words).exception, NodeError)
    assert shown(config) == before


def test_a_removed_node_is_gone(config: Path) -> None:
    assert call(config, "node", "remove", "standby").exit_code == 0
    assert json.loads(call(config, "node", "list", "--json").output) == []


def test_what_will_keep_a_node_from_being_installed_is_said_at_once(config: Path) -> None:
    words = ("--mac", "52:54:00:00:00:41", "--address", "192.0.2.41/24", "--image", "other")
    output = call(config, "node", "add", "far", *words).output
    assert "capture other" in output
    assert "not in 10.77.0.0/24" in output
