"""What two servers make of each other's nodes: never an order twice, the later state on both."""

from __future__ import annotations

import time
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from haoscar_pxe.nodes.arming import (
    has_order,
    new_arming,
    orders_left,
    why_not_armed,
    why_other_server,
)
from haoscar_pxe.nodes.declare import armed, interface, new_node
from haoscar_pxe.nodes.node import Node, NodeState
from haoscar_pxe.nodes.twin import Told, divided, on_first, on_second


def node(name: str = "n20", orders: int = 3) -> Node:
    lan = (interface("52:54:00:00:00:20", "10.77.0.20/24"),)
    arming = new_arming(time.time_ns(), orders=orders)
    return new_node(name, role="client", image="primary", interfaces=lan, arming=arming)


def of_first(*nodes: Node) -> Told:
    return Told(is_second=False, nodes=nodes)


def of_second(*nodes: Node) -> Told:
    return Told(is_second=True, nodes=nodes)


def ordered(each: Node) -> Node:
    arming = replace(each.arming, given=each.arming.given + 1)
    return replace(each, state=NodeState.INSTALLING, arming=arming, ordered_generation=4)


@pytest.mark.parametrize(
    ("orders", "given", "shares"), [(1, 0, (1, 0)), (3, 0, (2, 1)), (3, 3, (0, 0))]
)
def test_orders_are_divided_so_that_none_is_given_twice(
    orders: int, given: int, shares: tuple[int, int]
) -> None:
    one = node(orders=orders)
    first = divided(replace(one, arming=replace(one.arming, given=given)))
    (second,) = on_second([], of_first(first))
    assert (orders_left(first.arming), orders_left(second.arming)) == shares


def test_told_again_the_second_has_no_more_orders_than_before() -> None:
    first = divided(node())
    (second,) = on_second([], of_first(first))
    (second,) = on_second([ordered(second)], of_first(first))
    assert orders_left(second.arming) == 0
    assert divided(first) == first
    assert second.state is NodeState.INSTALLING
    assert "first server's to give" in why_other_server(second)
    assert "on this server" in why_not_armed(second, time.time_ns())


def test_the_first_may_answer_a_node_whose_own_orders_are_given() -> None:
    first = divided(node(orders=1))
    assert why_other_server(ordered(first)) == why_other_server(first) == ""


def test_a_node_that_was_armed_anew_begins_anew_on_the_second() -> None:
    first = divided(node())
    (second,) = on_second([], of_first(first))
    done = replace(ordered(second), state=NodeState.INSTALLED)
    again = divided(armed(first))
    (second,) = on_second([done], of_first(again))
    assert (second.state, orders_left(second.arming)) == (NodeState.ARMED, 1)
    assert on_first([again], of_second(done)) == [again]


def test_a_token_proves_an_order_that_the_other_server_gave() -> None:
    one = node()
    assert not has_order(one), "nobody else gives orders"
    (second,) = on_second([], of_first(divided(one)))
    assert has_order(second)
    assert has_order(ordered(second))
    assert not has_order(replace(second, state=NodeState.FAILED))


def test_both_learn_where_a_node_stands() -> None:
    first = divided(node())
    (second,) = on_second([], of_first(first))
    installed = replace(ordered(second), state=NodeState.INSTALLED)
    (learned,) = on_first([first], of_second(installed))
    assert (learned.state, learned.ordered_generation) == (NodeState.INSTALLED, 4)
    assert learned.arming == first.arming
    (kept,) = on_second([installed], of_first(first))
    assert kept.state is NodeState.INSTALLED


def test_what_is_declared_on_the_first_is_so_on_the_second() -> None:
    first = divided(node())
    (second,) = on_second([node("gone")], of_first(replace(first, disk="/dev/vdb")))
    assert (second.name, second.disk) == ("n20", "/dev/vdb")
    assert on_first([first], of_second(replace(second, disk="auto", name="other"))) == [first]


@given(st.permutations(list(NodeState)))
def test_news_in_any_order_end_in_the_latest_state(states: list[NodeState]) -> None:
    first = divided(node())
    nodes = [first]
    for state in states:
        nodes = on_first(nodes, of_second(replace(first, state=state)))
    assert nodes[0].state is NodeState.INSTALLED


def test_two_servers_never_give_more_orders_than_the_administrator_allowed() -> None:
    for steps in permutations("ffsst", 5):
        first, second = divided(node()), None
        total = 0
        for step in steps:
            if step == "t":
                (second,) = on_second([second] if second else [], of_first(first))
            elif step == "f" and orders_left(first.arming) > 0:
                first, total = ordered(first), total + 1
            elif step == "s" and second and orders_left(second.arming) > 0:
                second, total = ordered(second), total + 1
        assert total <= 3
