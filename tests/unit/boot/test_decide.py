"""The boot decision: only an armed node is ever installed."""

from __future__ import annotations

import msgspec
import pytest

from haoscar_pxe.boot.decide import Boot, decide
from haoscar_pxe.nodes.declare import interface, new_node
from haoscar_pxe.nodes.node import NodeState

MAC = "52:54:00:00:00:20"
NODE = new_node(
    "standby", role="standby", image="primary", interfaces=(interface(MAC, "10.77.0.20/24"),)
)
IMAGES = frozenset({"primary"})


def test_an_unknown_machine_gets_a_menu_and_is_told_its_mac() -> None:
    decision = decide(MAC, None, IMAGES)
    assert decision.boot is Boot.MENU
    assert MAC in decision.reason


@pytest.mark.parametrize(
    ("state", "boot"),
    [
        (NodeState.ARMED, Boot.INSTALL),
        (NodeState.INSTALLING, Boot.INSTALL),
        (NodeState.INSTALLED, Boot.LOCAL_DISK),
        (NodeState.FAILED, Boot.LOCAL_DISK),
    ],
)
def test_what_a_node_boots_follows_from_its_state(state: NodeState, boot: Boot) -> None:
    decision = decide(MAC, msgspec.structs.replace(NODE, state=state), IMAGES)
    assert decision.boot is boot
    assert "standby" in decision.reason


def test_a_node_whose_image_was_never_captured_is_not_installed() -> None:
    decision = decide(MAC, NODE, frozenset())
    assert decision.boot is Boot.LOCAL_DISK
    assert "no generation" in decision.reason


def test_a_failed_node_is_told_what_arms_it_again() -> None:
    failed = msgspec.structs.replace(NODE, state=NodeState.FAILED)
    assert "node set standby --install" in decide(MAC, failed, IMAGES).reason
