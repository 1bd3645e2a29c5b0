"""What two servers of the same nodes tell each other of them, and what each makes of it. Pure.

Nodes are declared on the first server; the second has them from there. Where a node stands is
known to the server that it talked to, so both learn that: within one arming a state is only ever
followed by a later one, and whatever order the news arrives in, both end with the latest.

Orders must not be given twice, and nobody can be asked when the other server is dead. So they are
divided beforehand: when the first server tells a node for the first time since it was armed, it
reserves some of its orders for the second, and gives them no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from haoscar_pxe.nodes.node import Node, NodeState

_RANK: Final = {
    NodeState.ARMED: 0,
    NodeState.INSTALLING: 1,
    NodeState.FAILED: 2,
    NodeState.INSTALLED: 3,
}


class Told(Struct, frozen=True, kw_only=True):
    """All nodes of one server. is_second: of the one that has them from the other."""

    is_second: bool
    nodes: tuple[Node, ...]


def divided(node: Node) -> Node:
    """The node as the first server keeps it: half of its orders are the second's, or one less.

    >>> from haoscar_pxe.nodes.declare import interface, new_node
    >>> lan = (interface("52:54:00:00:00:20", "10.77.0.20/24"),)
    >>> divided(new_node("n", role="client", image="i", interfaces=lan)).arming.reserved
    1
    """
    arming = node.arming
    if arming.share != "all":
        return node
    reserved = min(arming.orders // 2, max(arming.orders - arming.given, 0))
    return replace(node, arming=replace(arming, reserved=reserved, share="first"))


def on_second(mine: Sequence[Node], told: Told) -> list[Node]:
    """The second server's nodes after the first has told its own: those, and no others."""
    by_name = {each.name: each for each in mine}
    return [_taken(by_name.get(each.name), each) for each in told.nodes]


def on_first(mine: Sequence[Node], told: Told) -> list[Node]:
    """The first server's nodes after the second has told where they stand."""
    by_name = {each.name: each for each in told.nodes}
    return [_learned(each, by_name.get(each.name)) for each in mine]


def _taken(mine: Node | None, told: Node) -> Node:
    """As the first declares it; the second gives what was reserved for it, less what it gave."""
    given = 0
    if mine is not None and mine.order_token == told.order_token:
        told = _later(mine, told)
        given = mine.arming.given
    orders = told.arming.reserved
    arming = replace(told.arming, orders=orders, given=given, reserved=0, share="second")
    return replace(told, arming=arming)


def _learned(mine: Node, told: Node | None) -> Node:
    if told is None or told.order_token != mine.order_token:
        return mine
    return _later(told, mine)


def _later(other: Node, declared: Node) -> Node:
    """As declared, in the later of both states."""
    if _RANK[other.state] <= _RANK[declared.state]:
        return declared
    return replace(declared, state=other.state, ordered_generation=other.ordered_generation)
