"""The boot decision: which of three things a machine is sent, from the registry alone.

Pure: two servers with the same registry decide alike (there is no protocol between them). Nothing
here ever answers INSTALL to a machine that the administrator did not arm.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from haoscar_pxe.nodes.arming import utc, why_not_armed
from haoscar_pxe.nodes.node import Node, NodeState


class Boot(StrEnum):
    """What a machine is sent."""

    INSTALL = "install"
    """The installer: the captured kernel and the agent's initramfs."""
    LOCAL_DISK = "local disk"
    """Back to the firmware, which goes on with the next boot device."""
    MENU = "menu"
    """A menu for people whose default, after a while, is the local disk."""


@dataclass(frozen=True, slots=True)
class BootDecision:
    """What a machine is sent, and why, in words."""

    boot: Boot
    reason: str


def decide(mac: str, node: Node | None, known_images: frozenset[str], now_ns: int) -> BootDecision:
    """Choose what the machine with this MAC boots.

    known_images: those with at least one generation in the repository. now_ns: since 1970.
    """
    if node is None:
        return BootDecision(Boot.MENU, f"no node has the MAC {mac}")
    if node.state in (NodeState.ARMED, NodeState.INSTALLING):
        return _install(node, known_images, now_ns)
    return BootDecision(Boot.LOCAL_DISK, _why_local(node))


def _install(node: Node, known_images: frozenset[str], now_ns: int) -> BootDecision:
    if why_not := why_not_armed(node, now_ns):
        return BootDecision(Boot.LOCAL_DISK, why_not)
    if node.image not in known_images:
        return BootDecision(
            Boot.LOCAL_DISK,
            f"{node.name} shall be installed from image '{node.image}', of which the repository "
            "has no generation",
        )
    if node.state is NodeState.INSTALLING:
        return BootDecision(
            Boot.INSTALL,
            f"{node.name} began an installation that it has not finished ({_arming(node)})",
        )
    reason = f"{node.name} is armed for installation as {node.role} ({_arming(node)})"
    return BootDecision(Boot.INSTALL, reason)


def _arming(node: Node) -> str:
    found = node.arming
    return f"until {utc(found.until_ns)}, {found.given} of {found.orders} orders given"


def _why_local(node: Node) -> str:
    match node.state:
        case NodeState.INSTALLED:
            return f"{node.name} is installed"
        case NodeState.FAILED:
            return (
                f"the installation of {node.name} failed; 'haoscar-pxe node show {node.name}' says "
                f"why, 'haoscar-pxe node set {node.name} --install' arms it again"
            )
        case NodeState.ARMED | NodeState.INSTALLING:
            raise AssertionError("these states are decided by _install")
        case _:
            assert_never(node.state)
