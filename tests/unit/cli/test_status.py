from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from haoscar_pxe.boot.order import for_generation
from haoscar_pxe.errors import StaleError
from haoscar_pxe.nodes.node import NodeState
from haoscar_pxe.nodes.registry import Registry
from tests.unit.cli.captured_site import capture, make_captured
from tests.unit.cli.site_folder import call

ADD = (
    *("node", "add", "standby", "--image", "head"),
    *("--mac", "52:54:00:00:00:20", "--address", "10.77.0.20/24"),
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A site whose standby has the first of two generations."""
    path, tree = make_captured(tmp_path)
    assert call(path, *ADD).exit_code == 0
    has(path, 1)
    (tree / "new").write_bytes(b"x" * 5000)
    (tree / "also-new").write_bytes(b"x" * 5000)
    capture(path, tree)
    return path


def has(config: Path, generation: int) -> None:
    registry = Registry(config.parent / "state/registry.sqlite")
    registry.change(
        "standby",
        lambda old: msgspec.structs.replace(
            for_generation(old, generation), state=NodeState.INSTALLED
        ),
    )
    registry.close()


def test_a_standby_that_is_behind_is_shown_with_seconds_and_bytes(config: Path) -> None:
    result = call(config, "status", "--json")
    assert isinstance(result.exception, StaleError)
    (node,) = json.loads(result.output)["nodes"]
    assert (node["standing"], node["has"], node["newest"]) == ("behind", 1, 2)
    assert node["behind_bytes"] == 5000
    assert node["recovery_point_s"] >= node["behind_s"] > 0


def test_a_standby_of_the_newest_generation_ends_with_status_zero(config: Path) -> None:
    has(config, 2)
    result = call(config, "status")
    assert result.exit_code == 0, result.output
    assert "current" in result.output
    assert isinstance(call(config, "status", "--max-age", "0").exception, StaleError)


def test_an_armed_node_is_not_ready(config: Path) -> None:
    call(config, "node", "set", "standby", "--install")
    result = call(config, "status")
    assert "not ready to take over" in str(result.exception)
    assert "not installed" in result.output
