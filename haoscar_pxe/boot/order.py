"""The install order of a node: what it shall become, made from the registry, image and site."""

from __future__ import annotations

from ipaddress import IPv4Interface

import msgspec

from haoscar_pxe.boot.identity import Site, can_be_synced, identity
from haoscar_pxe.boot.image_files import ImageFiles
from haoscar_pxe.config import InstallConfig
from haoscar_pxe.errors import SealedError
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.sealing import OpeningKeys
from haoscar_pxe.nodes.declare import routed
from haoscar_pxe.nodes.node import Node
from haoscar_pxe.nodes.order import InstallOrder
from haoscar_pxe.nodes.standby import SyncOrder


def make_order(
    node: Node,
    manifest: Manifest,
    files: ImageFiles,
    site: Site,
    install: InstallConfig,
    opening: OpeningKeys,
) -> InstallOrder:
    """The order for this node and this generation; the same inputs give the same order.

    opening: the image's opening keys; the order has those that this generation was sealed for.
    Raises SealedError if one of them is not here: a standby without its secrets is none.
    """
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
        opening_keys=_opening_keys(manifest, opening),
        boot_order=install.boot_order,
        keeps_record=can_be_synced(node, manifest.layout),
    )


def make_sync_order(
    node: Node,
    manifest: Manifest,
    files: ImageFiles,
    site: Site,
    install: InstallConfig,
    opening: OpeningKeys,
) -> SyncOrder:
    """What an installed standby is to become; as `make_order`."""
    return SyncOrder(
        node=node.name,
        image=manifest.image,
        generation=manifest.generation,
        manifest_id=manifest.id,
        identity=identity(node, files, manifest.layout, site),
        keep=site.keep,
        patience_s=install.patience_s,
        opening_keys=_opening_keys(manifest, opening),
    )


def _opening_keys(manifest: Manifest, opening: OpeningKeys) -> tuple[str, ...]:
    """As lines of text. Raises SealedError if one that the generation needs is not here."""
    missing = opening.missing(manifest.sealing_keys)
    if missing:
        raise SealedError(
            f"{manifest.sealed_files} files of {manifest.image} generation {manifest.generation} "
            f"are sealed, and the opening key {missing[0].hex()[:12]} is not on this server",
            hint=f"bring it back to keys/sealing/{manifest.image} (docs/secrets.md)",
        )
    return tuple(key.encode() for key in opening.only(manifest.sealing_keys))


def kernel_arguments(
    node: Node, server_url: str, *, twin_url: str = "", shell_on_failure: bool
) -> str:
    """The kernel command line of the installer: where the server is and which address is ours.

    twin_url: of the other server of the same nodes, for when this one dies; "" for none.
    It stands in a file that anybody may fetch, so it holds no secret.
    """
    boot = node.boot_interface
    arguments = {
        "haoscar.server": server_url,
        "haoscar.twin": twin_url,
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
