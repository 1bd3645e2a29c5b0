"""The install order of a node: what it shall become, made from the registry, image and site."""

from __future__ import annotations

from ipaddress import IPv4Interface

import msgspec

from haoscar_pxe.boot.identity import Site, identity
from haoscar_pxe.boot.image_files import ImageFiles
from haoscar_pxe.config import InstallConfig
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.nodes.declare import routed
from haoscar_pxe.nodes.node import Node
from haoscar_pxe.nodes.order import InstallOrder


def make_order(
    node: Node, manifest: Manifest, files: ImageFiles, site: Site, install: InstallConfig
) -> InstallOrder:
    """The order for this node and this generation; the same inputs give the same order."""
    return InstallOrder(
        node=node.name,
        image=manifest.image,
        generation=manifest.generation,
        manifest_id=manifest.id,
        token=node.order_token,
        interfaces=routed(node, site.gateway).interfaces,
        identity=identity(node, files, manifest.layout, site),
        disk=node.disk,
        wipe=node.wipe,
        after=install.after,
        shell_on_failure=install.shell_on_failure,
        patience_s=install.patience_s,
    )


def kernel_arguments(node: Node, server_url: str, *, shell_on_failure: bool) -> str:
    """The kernel command line of the installer: where the server is and which address is ours.

    It stands in a file that anybody may fetch, so it holds no secret.
    """
    boot = node.boot_interface
    arguments = {
        "haoscar.server": server_url,
        "haoscar.mac": boot.mac,
        "haoscar.address": boot.address,
        "haoscar.gateway": boot.gateway,
        "haoscar.shell": "1" if shell_on_failure else "",
    }
    words = [f"{key}={value}" for key, value in arguments.items() if value]
    return " ".join(["console=tty0", "console=ttyS0,115200n8", *words])


def for_generation(node: Node, generation: int) -> Node:
    """The node with the generation noted that it was ordered to install."""
    return msgspec.structs.replace(node, ordered_generation=generation)


def owns_address(node: Node, ip: str) -> bool:
    """Whether an address is one of those declared for the node."""
    return any(str(IPv4Interface(each.address).ip) == ip for each in node.interfaces)
