"""The boot decision: only an armed node is ever installed."""

from __future__ import annotations

import msgspec
import pytest

from haoscar_pxe.boot.decide import Boot, decide
from haoscar_pxe.nodes.arming import new_arming
from haoscar_pxe.nodes.declare import interface, new_node
from haoscar_pxe.nodes.node import Node, NodeState

MAC = "52:54:00:00:00:20"
NODE = new_node(
    "standby",
    role="standby",
    image="primary",
    interfaces=(interface(MAC, "10.77.0.20/24"),),
    arming=new_arming(0, for_s=8 * 3600, orders=2),
)
NOW = 10**9
IMAGES = frozenset({"primary"})


def test_an_unknown_machine_gets_a_menu_and_is_told_its_mac() -> None:
    decision = decide(MAC, None, IMAGES, NOW)
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
    decision = decide(MAC, msgspec.structs.replace(NODE, state=state), IMAGES, NOW)
    assert decision.boot is boot
    assert "standby" in decision.reason


def test_a_node_whose_image_was_never_captured_is_not_installed() -> None:
    decision = decide(MAC, NODE, frozenset(), NOW)
    assert decision.boot is Boot.LOCAL_DISK
    assert "no generation" in decision.reason


def test_a_failed_node_is_told_what_arms_it_again() -> None:
    failed = msgspec.structs.replace(NODE, state=NodeState.FAILED)
    assert "node set standby --install" in decide(MAC, failed, IMAGES, NOW).reason


@pytest.mark.parametrize("state", [NodeState.ARMED, NodeState.INSTALLING])
def test_a_node_is_sent_the_installer_only_as_long_as_it_is_armed(state: NodeState) -> None:
    node = msgspec.structs.replace(NODE, state=state)
    end_ns = 8 * 3600 * 10**9
    assert decide(MAC, node, IMAGES, end_ns - 1).boot is Boot.INSTALL
    late = decide(MAC, node, IMAGES, end_ns)
    assert late.boot is Boot.LOCAL_DISK
    assert "armed until 1970-01-01 08:00 UTC" in late.reason
    assert "node set standby --install" in late.reason


def test_a_node_that_was_given_all_its_orders_is_sent_to_its_disk() -> None:
    def given(count: int) -> Node:
        arming = msgspec.structs.replace(NODE.arming, given=count)
        return msgspec.structs.replace(NODE, state=NodeState.INSTALLING, arming=arming)

    assert "1 of 2 orders given" in decide(MAC, given(1), IMAGES, NOW).reason
    spent = decide(MAC, given(2), IMAGES, NOW)
    assert spent.boot is Boot.LOCAL_DISK
    assert "given 2 orders" in spent.reason
