"""A node: one machine the registry knows, what it is to become, and where it stands.

Values and their checks only; `registry.py` keeps them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, TypeAlias

from msgspec import Struct

Role: TypeAlias = Literal["standby", "client"]
Wipe: TypeAlias = Literal["blank", "any"]
Share: TypeAlias = Literal["all", "first", "second"]


class NodeState(StrEnum):
    """Where a node stands on its way to being installed."""

    ARMED = "armed"
    """The administrator wants it installed; its next network boot does that."""
    INSTALLING = "installing"
    """It fetched its order. A network boot in this state starts the installation again."""
    INSTALLED = "installed"
    """It said it is done; from now on it is sent to its own disk."""
    FAILED = "failed"
    """It said why it cannot go on; it is sent to its own disk until it is armed again."""


class Interface(Struct, frozen=True, kw_only=True):
    """A network interface that is declared for a node.

    mac: lower case with colons. address: with prefix length ("10.77.0.20/24").
    gateway: "" for none. name: the name it has on the standby, "" for the primary's own name of
    the interface in the same subnet (or "eth0").
    """

    mac: str
    address: str
    gateway: str = ""
    name: str = ""


class Arming(Struct, frozen=True, kw_only=True):
    """For how long and how often a node may be given its order, which opens the image's secrets.

    until_ns: nanoseconds since 1970. orders: how many may be given; given: how many were.
    reserved: those of them that only the other server of the same nodes may give (`twin`).
    share: whose part of the orders this is, once they were divided.
    """

    until_ns: int = 0
    orders: int = 0
    given: int = 0
    reserved: int = 0
    share: Share = "all"


class Node(Struct, frozen=True, kw_only=True):
    """One machine.

    interfaces: at least one; the first is the one it network-boots from.
    generation: None follows the newest of the image.
    disk: "auto" (the only disk that fits), a device path, or "serial:…"/"wwn:…".
    wipe: "blank" touches an empty disk only; "any" may erase the chosen disk, whatever is on it.
    order_token: proof that a request belongs to the order given out; new at each arming.
    machine_id: the /etc/machine-id the node receives, 32 hexadecimal digits.
    arming: the last one; it counts while the node is armed or installing.
    ordered_generation: what its last order named; what it has once it is installed.
    """

    name: str
    role: Role
    image: str
    generation: int | None = None
    interfaces: tuple[Interface, ...]
    state: NodeState
    disk: str = "auto"
    wipe: Wipe = "blank"
    machine_id: str
    order_token: str
    arming: Arming = Arming()
    ordered_generation: int | None = None

    @property
    def boot_interface(self) -> Interface:
        """The interface it network-boots from."""
        return self.interfaces[0]
