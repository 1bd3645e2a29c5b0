"""Changes of nodes that a program asks for with a JSON document; the command line's own rules.

A body is checked against its type while it is read: a member that is unknown, or nested deeper
than the type allows, is refused where it stands.
"""

from __future__ import annotations

import time
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from haoscar_pxe.errors import UnknownNodeError, WireError
from haoscar_pxe.nodes.arming import ARMED_FOR_S, ORDERS_PER_ARMING, new_arming
from haoscar_pxe.nodes.declare import armed, checked, interface, new_node
from haoscar_pxe.nodes.node import Interface, Node, Role, Wipe
from haoscar_pxe.nodes.registry import Registry
from haoscar_pxe.nodes.timeline import TimelineFile

T = TypeVar("T")
LONGEST_S: Final = 366 * 86_400.0


class Declaration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a node is to be; the members are those of `Node`."""

    interfaces: tuple[Interface, ...]
    role: Role = "standby"
    image: str = "primary"
    generation: Annotated[int, Meta(ge=1, le=999_999_999)] | None = None
    disk: str = "auto"
    wipe: Wipe = "blank"


class ArmRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how long, and for how many orders."""

    for_s: Annotated[float, Meta(gt=0, le=LONGEST_S)] = ARMED_FOR_S
    orders: Annotated[int, Meta(ge=1, le=100)] = ORDERS_PER_ARMING


def read_body(body: bytes, kind: type[T]) -> T:
    """The document. Raises WireError: it is none, or not of this kind."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(
            f"the body is refused: {error}", hint="'haoscar-pxe node show NAME --json' shows one"
        ) from error


def declare(registry: Registry, name: str, said: Declaration) -> Node:
    """Make the node known and arm it, or give a known one these members. Raises NodeError."""
    interfaces = tuple(
        interface(each.mac, each.address, each.gateway, each.name) for each in said.interfaces
    )
    members = {**msgspec.structs.asdict(said), "interfaces": interfaces}
    try:
        return registry.change(name, lambda old: checked(msgspec.structs.replace(old, **members)))
    except UnknownNodeError:
        made = new_node(
            name,
            role=said.role,
            image=said.image,
            interfaces=interfaces,
            generation=said.generation,
            disk=said.disk,
            wipe=said.wipe,
        )
    registry.add(made)
    return made


def arm(registry: Registry, name: str, said: ArmRequest) -> Node:
    """Its next network boot installs it. Raises NodeError."""
    arming = new_arming(time.time_ns(), for_s=said.for_s, orders=said.orders)
    return registry.change(name, lambda old: checked(armed(old, arming)))


def forget(registry: Registry, timeline: TimelineFile, name: str) -> Node:
    """Forget a node, what it reported and what was seen of it; what it was. Raises NodeError."""
    gone = registry.remove(name)
    timeline.forget(name)
    return gone
