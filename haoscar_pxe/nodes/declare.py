"""From what an administrator types to a Node: spellings made one, mistakes named, secrets drawn.

The network is not asked and the registry is not changed here.
"""

from __future__ import annotations

import re
import secrets
import time
import uuid
from ipaddress import IPv4Address, IPv4Interface

import msgspec

from haoscar_pxe.addresses import ipv4_address, ipv4_interface
from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.arming import new_arming
from haoscar_pxe.nodes.node import Arming, Interface, Node, NodeState, Role, Wipe

TOKEN_BYTES = 24
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_INTERFACE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}")
_DISK = re.compile(r"auto|/dev/[\w./:-]+|(serial|wwn):\S+")


def is_interface_name(text: str) -> bool:
    """Whether a network interface may have this name, in every file that it will stand in.

    The kernel's limit is 15 bytes without "/", ":" and blanks (dev_valid_name).

    >>> is_interface_name("enp1s0f0np0"), is_interface_name("eth0;reboot"), is_interface_name("..")
    (True, False, False)
    """
    return bool(_INTERFACE_NAME.fullmatch(text))


def canonical_mac(text: str) -> str:
    """A MAC address in lower case with colons, whichever way it was written.

    >>> canonical_mac("52-54-00-AB-CD-EF"), canonical_mac("5254.00ab.cdef")
    ('52:54:00:ab:cd:ef', '52:54:00:ab:cd:ef')
    """
    digits = re.sub(r"[.:-]", "", text.strip()).lower()
    if not re.fullmatch(r"[0-9a-f]{12}", digits):
        raise NodeError(f"'{text}' is no MAC address", hint="write it as 52:54:00:ab:cd:ef")
    if int(digits[1], 16) & 1:
        raise NodeError(f"'{text}' is a group address, which no machine has as its own")
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def interface(mac: str, address: str, gateway: str = "", name: str = "") -> Interface:
    """An interface as declared. Raises NodeError naming what is wrong with it."""
    try:
        parsed = IPv4Interface(address)
        next_hop = IPv4Address(gateway) if gateway else None
    except ValueError as error:
        raise NodeError(f"interface {mac}: {error}") from error
    if "/" not in address:
        raise NodeError(
            f"address '{address}' has no prefix length", hint=f"write it as {address}/24"
        )
    if parsed.ip in (parsed.network.network_address, parsed.network.broadcast_address):
        raise NodeError(f"{address} is not an address a machine of {parsed.network} can have")
    if next_hop and next_hop not in parsed.network:
        raise NodeError(f"gateway {gateway} is not in {parsed.network}, so it cannot be reached")
    if name and not is_interface_name(name):
        raise NodeError(f"'{name}' is no interface's name", hint="as 'ip link' prints it: eno1")
    return Interface(mac=canonical_mac(mac), address=str(parsed), gateway=gateway, name=name)


def new_node(
    name: str,
    *,
    role: Role,
    image: str,
    interfaces: tuple[Interface, ...],
    generation: int | None = None,
    disk: str = "auto",
    wipe: Wipe = "blank",
    arming: Arming | None = None,
) -> Node:
    """A node that was never seen before: armed, with a machine-id and a token of its own.

    arming: None begins now and is as long as usual.
    """
    return checked(
        Node(
            name=name,
            role=role,
            image=image,
            generation=generation,
            interfaces=interfaces,
            state=NodeState.ARMED,
            disk=disk,
            wipe=wipe,
            machine_id=uuid.uuid4().hex,
            order_token=secrets.token_urlsafe(TOKEN_BYTES),
            arming=arming or new_arming(time.time_ns()),
        )
    )


def check_name(name: str) -> None:
    """Raises NodeError unless name can be a host's."""
    if not _NAME.fullmatch(name):
        raise NodeError(
            f"'{name}' is no host name",
            hint="lower-case letters, digits and hyphens, as in standby or head2.cluster.example",
        )


def checked(node: Node) -> Node:
    """The same node. Raises NodeError when a name, an interface or the disk cannot be right."""
    check_name(node.name)
    if not node.interfaces:
        raise NodeError(f"node {node.name} has no interface, so it can never ask for anything")
    if not _DISK.fullmatch(node.disk):
        raise NodeError(
            f"'{node.disk}' names no disk",
            hint="auto, /dev/…, serial:… or wwn:… (see lsblk -o +SERIAL)",
        )
    return node


def routed(node: Node, gateway: str) -> Node:
    """The node with the site's default gateway on its boot interface, "" for none.

    Only where no interface has a gateway of its own (a machine has one default route), and where
    the gateway can be reached from there.
    """
    boot, *others = node.interfaces
    has_own = any(each.gateway for each in node.interfaces)
    if has_own or not gateway or ipv4_address(gateway) not in ipv4_interface(boot.address).network:
        return node
    with_gateway = msgspec.structs.replace(boot, gateway=gateway)
    return msgspec.structs.replace(node, interfaces=(with_gateway, *others))


def armed(node: Node, arming: Arming | None = None) -> Node:
    """The node, to be installed at its next network boot; what was ordered before is void.

    arming: None begins now and is as long as usual.
    """
    arming = arming or new_arming(time.time_ns())
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return msgspec.structs.replace(node, state=NodeState.ARMED, order_token=token, arming=arming)
