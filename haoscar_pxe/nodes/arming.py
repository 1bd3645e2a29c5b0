"""Arming: for how long, and for how many orders, a node may be installed. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.node import Arming, Node, NodeState

ARMED_FOR_S: Final = 86_400.0
ORDERS_PER_ARMING: Final = 3
"""An installation that is interrupted asks again: a power cut, a loose cable, and once more."""


def new_arming(
    now_ns: int, *, for_s: float = ARMED_FOR_S, orders: int = ORDERS_PER_ARMING
) -> Arming:
    """An arming that begins now. Raises NodeError for a time or number that arms nothing."""
    if for_s <= 0 or orders < 1:
        raise NodeError(
            f"{orders} orders within {for_s:g} s would never install anything",
            hint="give at least one order, and a time such as 8h or 2d",
        )
    return Arming(until_ns=now_ns + int(for_s * 1e9), orders=orders)


def why_not_armed(node: Node, now_ns: int) -> str:
    """Why a node that is armed or installing is given no order (any more), in words; "" if it is.

    >>> from haoscar_pxe.nodes.declare import interface, new_node
    >>> lan = (interface("52:54:00:00:00:20", "10.77.0.20/24"),)
    >>> node = new_node("n", arming=new_arming(0), role="client", image="i", interfaces=lan)
    >>> why_not_armed(node, 0)
    ''
    >>> why_not_armed(node, 86_400 * 10**9)
    "n was armed until 1970-01-02 00:00 UTC; 'haoscar-pxe node set n --install' arms it anew"
    """
    found = node.arming
    if now_ns >= found.until_ns:
        why = f"{node.name} was armed until {utc(found.until_ns)}"
    elif orders_left(found) <= 0:
        why = f"{node.name} was given {found.given} orders, as many as it was armed for"
        if found.share != "all":
            why += " on this server"
    else:
        return ""
    return f"{why}; 'haoscar-pxe node set {node.name} --install' arms it anew"


def why_other_server(node: Node) -> str:
    """Why the other server must answer this node, in words; "" if either may.

    A second server that has no order left would send a machine to its disk that the first server
    could install.
    """
    waits = node.state in (NodeState.ARMED, NodeState.INSTALLING)
    if not waits or node.arming.share != "second" or orders_left(node.arming) > 0:
        return ""
    return f"{node.name} is to be installed, and the orders left are the first server's to give"


def has_order(node: Node) -> bool:
    """Whether who knows the node's token is at its installation.

    Only an order tells the token. Where two servers give orders, it may have been the other one's,
    which died before this one heard of it.
    """
    is_shared = node.arming.share != "all"
    return node.state is NodeState.INSTALLING or (is_shared and node.state is NodeState.ARMED)


def orders_left(arming: Arming) -> int:
    """How many this server may still give."""
    return arming.orders - arming.given - arming.reserved


def utc(at_ns: int) -> str:
    """A moment in words that are the same on every machine."""
    return datetime.fromtimestamp(at_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M UTC")
