"""The configuration that pxelinux asks for by MAC, rendered at the moment it asks.

The name is the one documented for PXELINUX: the hardware type and the MAC, in lower case with
hyphens (pxelinux.cfg/01-52-54-00-ab-cd-ef). https://wiki.syslinux.org/wiki/index.php?title=PXELINUX
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from haoscar_pxe.boot.decide import Boot, BootDecision
from haoscar_pxe.boot.order import kernel_arguments
from haoscar_pxe.nodes.node import Node
from haoscar_pxe.rendering import render

_CONFIGURATION = re.compile(r"pxelinux\.cfg/01((?:-[0-9a-f]{2}){6})")


@dataclass(frozen=True, slots=True)
class InstallFiles:
    """Where a node finds its installer. generation: the one that its order will name."""

    image: str
    generation: int
    server_url: str
    shell_on_failure: bool

    def url(self, name: str) -> str:
        """Address of "vmlinuz" or "initramfs"."""
        return f"{self.server_url}/boot/{self.image}/{self.generation}/{name}"


def mac_of_configuration(name: str) -> str | None:
    """The MAC that a file name asks for; None if it is not a configuration's name.

    >>> mac_of_configuration("pxelinux.cfg/01-52-54-00-ab-cd-ef")
    '52:54:00:ab:cd:ef'
    """
    found = _CONFIGURATION.fullmatch(name)
    return found[1].strip("-").replace("-", ":") if found else None


def configuration_name(mac: str) -> str:
    """The file name under which pxelinux asks for a MAC's configuration."""
    return "pxelinux.cfg/01-" + mac.replace(":", "-")


def configuration(
    decision: BootDecision,
    mac: str,
    node: Node | None,
    install: InstallFiles | None,
    templates: Path | None,
) -> str:
    """The text for this decision; install is given when it is INSTALL."""
    values: dict[str, object] = {"mac": mac, "node": node, "reason": decision.reason}
    match decision.boot:
        case Boot.LOCAL_DISK:
            return render("pxelinux/local", values, templates)
        case Boot.MENU:
            return render("pxelinux/menu", values, templates)
        case Boot.INSTALL:
            if node is None or install is None:
                raise AssertionError("an installation is decided for a node and a generation")
            return render("pxelinux/install", values | _install(node, install), templates)
        case _:
            assert_never(decision.boot)


def _install(node: Node, install: InstallFiles) -> dict[str, object]:
    return {
        "image": install.image,
        "generation": install.generation,
        "kernel_url": install.url("vmlinuz"),
        "initramfs_url": install.url("initramfs"),
        "kernel_arguments": kernel_arguments(
            node, install.server_url, shell_on_failure=install.shell_on_failure
        ),
    }
