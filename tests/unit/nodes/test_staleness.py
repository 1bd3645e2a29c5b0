from __future__ import annotations

import msgspec
import pytest

from haoscar_pxe.nodes.declare import interface, new_node
from haoscar_pxe.nodes.node import Node, NodeState
from haoscar_pxe.nodes.staleness import Captured, complaints, staleness

S = 1_000_000_000
IMAGE = [Captured(1, 100 * S), Captured(2, 160 * S), Captured(5, 400 * S)]
NOW_NS = 500 * S


def node(**changes: object) -> Node:
    made = new_node(
        "standby",
        role="standby",
        image="primary",
        interfaces=(interface("52:54:00:00:00:20", "10.77.0.20/24"),),
    )
    fields = {"state": NodeState.INSTALLED, "ordered_generation": 2}
    return msgspec.structs.replace(made, **(fields | changes))


def test_the_recovery_point_is_the_age_of_what_the_standby_has() -> None:
    found = staleness(node(), IMAGE, NOW_NS)
    assert (found.recovery_point_s, found.behind_s) == (340.0, 240.0)
    assert (found.has, found.newest, found.behind_generations) == (2, 5, 1)
    assert found.standing == "behind"


def test_a_standby_of_the_newest_generation_is_current_and_still_ages() -> None:
    found = staleness(node(ordered_generation=5), IMAGE, NOW_NS)
    assert (found.standing, found.behind_generations, found.recovery_point_s) == ("current", 0, 100)
    assert complaints([found], None) == []
    assert complaints([found], 100) == []
    assert "would lose 100 s, more than 99 s" in complaints([found], 99)[0]


def test_a_pinned_standby_is_behind_by_word() -> None:
    found = staleness(node(generation=2), IMAGE, NOW_NS)
    assert found.standing == "pinned"
    assert complaints([found], None) == []


def test_one_that_is_behind_is_complained_of() -> None:
    assert "1 generation(s) behind" in complaints([staleness(node(), IMAGE, NOW_NS)], None)[0]


@pytest.mark.parametrize("state", [NodeState.ARMED, NodeState.INSTALLING, NodeState.FAILED])
def test_a_node_that_is_not_installed_has_no_recovery_point(state: NodeState) -> None:
    found = staleness(node(state=state), IMAGE, NOW_NS)
    assert (found.standing, found.has, found.recovery_point_s) == ("not installed", None, None)
    assert complaints([found], None)


@pytest.mark.parametrize("image", [[], [Captured(5, 0)]])
def test_a_generation_that_is_gone_is_unknown_and_complained_of(image: list[Captured]) -> None:
    found = staleness(node(), image, NOW_NS)
    assert found.standing == "unknown"
    assert complaints([found], 1e9)


def test_a_clock_that_went_back_gives_no_negative_age() -> None:
    assert staleness(node(), IMAGE, 0).recovery_point_s == 0.0
