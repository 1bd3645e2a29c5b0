"""The configuration that a boot loader asks for by MAC, rendered at the moment it asks.

pxelinux, GRUB and iPXE each have their own language, and templates in it that say the same. The
names, each with the hardware type and the MAC in lower case, as PXELINUX documents its own
(https://wiki.syslinux.org/wiki/index.php?title=PXELINUX):

    pxelinux.cfg/01-52-54-00-ab-cd-ef   pxelinux, by TFTP
    grub/grub.cfg                       GRUB, by TFTP; the same for all: it goes on with the next
    grub/grub.cfg-01-52-54-00-ab-cd-ef  GRUB
    ipxe/01-52-54-00-ab-cd-ef           iPXE, by HTTP

The distribution's signed GRUB has its folder built in and knows its MAC with colons only
(`net_default_mac`, GRUB manual, "Network"), so those are allowed in its names too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from haoscar_pxe.boot.decide import Boot, BootDecision
from haoscar_pxe.boot.order import kernel_arguments
from haoscar_pxe.nodes.node import Node
from haoscar_pxe.rendering import render


class Loader(StrEnum):
    """The boot loader that asks: the folder of its templates."""

    PXELINUX = "pxelinux"
    GRUB = "grub"
    IPXE = "ipxe"


GRUB_START: Final = "grub/grub.cfg"
_PREFIXES: Final = {
    Loader.PXELINUX: "pxelinux.cfg/01",
    Loader.GRUB: f"{GRUB_START}-01",
    Loader.IPXE: "ipxe/01",
}
_NAME: Final = re.compile(
    r"(pxelinux\.cfg/01|grub/grub\.cfg-01|ipxe/01)((?:-[0-9a-f]{2}){6}|-[0-9a-f]{2}(?::[0-9a-f]{2}){5})"
)
_LOADERS: Final = {prefix: loader for loader, prefix in _PREFIXES.items()}
_TEMPLATES: Final = {Boot.INSTALL: "install", Boot.LOCAL_DISK: "local", Boot.MENU: "menu"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A configuration that was asked for by name."""

    loader: Loader
    mac: str


@dataclass(frozen=True, slots=True)
class InstallFiles:
    """Where a node finds its installer. generation: the one that its order will name."""

    image: str
    generation: int
    server_url: str
    shell_on_failure: bool
    twin_url: str = ""

    def path(self, name: str) -> str:
        """What TFTP calls "vmlinuz" or "initramfs", and HTTP after the server's address."""
        return f"/boot/{self.image}/{self.generation}/{name}"


def asked_configuration(name: str) -> Asked | None:
    """The loader and MAC that a file name asks for; None if it is not a configuration's name.

    >>> asked_configuration("pxelinux.cfg/01-52-54-00-ab-cd-ef")
    Asked(loader=<Loader.PXELINUX: 'pxelinux'>, mac='52:54:00:ab:cd:ef')
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return Asked(_LOADERS[found[1]], found[2].strip("-").replace("-", ":"))


def configuration_name(loader: Loader, mac: str) -> str:
    """The file name under which a loader asks for a MAC's configuration."""
    return f"{_PREFIXES[loader]}-{mac.replace(':', '-')}"


def start_of_grub(templates: Path | None) -> str:
    """What every GRUB reads first: it asks for the configuration of its own MAC."""
    return render("grub/start", {}, templates)


def configuration(
    loader: Loader,
    decision: BootDecision,
    mac: str,
    node: Node | None,
    install: InstallFiles | None,
    templates: Path | None,
) -> str:
    """The text for this decision; install is given when it is INSTALL."""
    values: dict[str, object] = {"mac": mac, "node": node, "reason": decision.reason}
    if decision.boot is Boot.INSTALL:
        if node is None or install is None:
            raise AssertionError("an installation is decided for a node and a generation")
        values |= _install(node, install)
    return render(f"{loader}/{_TEMPLATES[decision.boot]}", values, templates)


def _install(node: Node, install: InstallFiles) -> dict[str, object]:
    kernel, initramfs = install.path("vmlinuz"), install.path("initramfs")
    return {
        "image": install.image,
        "generation": install.generation,
        "kernel_path": kernel,
        "initramfs_path": initramfs,
        "kernel_url": install.server_url + kernel,
        "initramfs_url": install.server_url + initramfs,
        "kernel_arguments": kernel_arguments(
            node,
            install.server_url,
            twin_url=install.twin_url,
            shell_on_failure=install.shell_on_failure,
        ),
    }
