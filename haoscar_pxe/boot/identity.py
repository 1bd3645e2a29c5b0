"""The declared identity: all in which a node's files differ from the image, each with its reason.

Pure: the same node, image and site give the same list, so the order that is sent, the list that
`boot explain` prints and the comparison after an install speak of the same bytes.

Keys, users, databases and UUIDs are not in it: a standby is the primary under another name.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path

import msgspec

from haoscar_pxe.boot.boot_files import grub_config
from haoscar_pxe.boot.efi_files import efi_files
from haoscar_pxe.boot.host_files import edit_fstab, edit_hosts
from haoscar_pxe.boot.image_files import ImageFiles
from haoscar_pxe.boot.interface_names import interface_names
from haoscar_pxe.boot.network_styles import STYLES, Style, style_of
from haoscar_pxe.boot.standby_files import standby_files
from haoscar_pxe.config import IdentityRule
from haoscar_pxe.errors import BootError
from haoscar_pxe.image.layout import DiskLayout, file_systems
from haoscar_pxe.nodes.declare import routed
from haoscar_pxe.nodes.node import Interface, Node
from haoscar_pxe.nodes.order import IdentityChange
from haoscar_pxe.rendering import render

GRUB_CONFIGS = (b"boot/grub/grub.cfg", b"boot/grub2/grub.cfg")
PERSISTENT_NAMES = b"etc/udev/rules.d/70-persistent-net.rules"
NAMESPACE = uuid.UUID("6d4c40a4-76c7-4a12-9c4e-8d2f1d3f5a55")
"""Of the connection UUIDs that are derived from a node's name and MAC, so that they stay."""


class UnknownNetworkError(BootError):
    """The image configures its network in a way that we cannot rewrite.

    The standby would come up without an address, or worse, with the primary's.
    """

    def __init__(self, image: str) -> None:
        known = ", ".join(style.name for style in STYLES)
        super().__init__(
            f"image {image} configures its network in no way that is known here ({known})",
            hint="configure the head's network in one of them, or give the files that hold its "
            "addresses as [[identity]] in the configuration",
        )


@dataclass(frozen=True, slots=True)
class Site:
    """What the site adds to every node's identity. gateway: of nodes that declare none, or "".

    keep: absolute paths that a sync leaves to the standby.
    """

    gateway: str = ""
    dns: tuple[str, ...] = ()
    domain: str = ""
    rules: tuple[IdentityRule, ...] = ()
    templates: Path | None = None
    keep: tuple[str, ...] = ()


def identity(
    node: Node, files: ImageFiles, layout: DiskLayout, site: Site
) -> tuple[IdentityChange, ...]:
    """Every declared difference, ordered by path; one for each path.

    Raises ConfigError if a template is missing or wrong, UnknownNetworkError.
    """
    node = routed(node, site.gateway)
    style = style_of(files)
    if style is None and not site.rules:
        raise UnknownNetworkError(node.image)
    named = _named_interfaces(node, files, style)
    changes = [
        *_host_name(node, files, style, site),
        *_machine_id(node, files),
        *_network(node, files, style, named, site),
        *_disks(files, layout, site),
        *efi_files(files, layout),
        *_site_rules(node, named, site),
    ]
    by_path = {change.path: change for change in changes}
    if can_be_synced(node, layout):
        menu = _grub_menu(files, by_path)
        if menu is not None:
            own = standby_files(files, layout, menu, site.templates)
            by_path |= {change.path: change for change in own}
    return tuple(by_path[path] for path in sorted(by_path))


def can_be_synced(node: Node, layout: DiskLayout) -> bool:
    """Whether the node keeps what brings it to newer generations without being installed anew."""
    has_root = any(each.mount_point == "/" for each in file_systems(layout))
    return node.role == "standby" and layout.boot.loader == "grub" and has_root


def _grub_menu(
    files: ImageFiles, changes: dict[bytes, IdentityChange]
) -> tuple[bytes, bytes] | None:
    """Path and content of GRUB's menu; None if the image has none and none is made."""
    for path in GRUB_CONFIGS:
        content = changes[path].content if path in changes else None
        if content is None and files.is_regular(path):
            content = files.read(path)
        if content is not None:
            return path, content
    return None


def image_host_name(files: ImageFiles) -> str:
    """The name the image's machine gives itself; "" if it has none."""
    return (files.read(b"etc/hostname") or b"").decode("ascii", "replace").strip()


def _host_name(
    node: Node, files: ImageFiles, style: Style | None, site: Site
) -> list[IdentityChange]:
    old = image_host_name(files)
    short, _, own_domain = node.name.partition(".")
    domain = own_domain or site.domain or old.partition(".")[2]
    full = f"{short}.{domain}" if domain else short
    hosts = (files.read(b"etc/hosts") or b"").decode("utf-8", "surrogateescape")
    own = IPv4Interface(node.interfaces[0].address)
    known = style.interfaces(files) if style else []
    primary = next((each.address for each in known if each.address in own.network), None)
    edited = edit_hosts(hosts, old, (full, short), own.ip, primary)
    return [
        IdentityChange(
            path=b"etc/hostname",
            content=f"{full if '.' in old else short}\n".encode(),
            reason=f"the machine is called {short}",
        ),
        IdentityChange(
            path=b"etc/hosts",
            content=edited.encode("utf-8", "surrogateescape"),
            reason=f"{short} is its own address and not 127.0.0.0/8, where no client reaches it",
        ),
    ]


def _machine_id(node: Node, files: ImageFiles) -> list[IdentityChange]:
    dbus = b"var/lib/dbus/machine-id"
    paths = [b"etc/machine-id", *([dbus] if files.is_regular(dbus) else [])]
    return [
        IdentityChange(
            path=path,
            content=f"{node.machine_id}\n".encode(),
            mode=0o444,
            reason="two machines with one machine-id confuse DHCP, the journal and systemd",
        )
        for path in paths
    ]


def _named_interfaces(node: Node, files: ImageFiles, style: Style | None) -> tuple[Interface, ...]:
    """The node's interfaces, each with the name that the primary's one in its subnet has.

    Firewall rules and services that name an interface then mean the same on the standby.
    """
    known = style.interfaces(files) if style else []
    named: list[Interface] = []
    for number, interface in enumerate(node.interfaces):
        network = IPv4Interface(interface.address).network
        taken = {each.name for each in (*node.interfaces, *named)}
        same = [c.name for c in known if c.address in network and c.name not in taken]
        name = interface.name or next(iter(same), "") or f"lan{number}"
        named.append(msgspec.structs.replace(interface, name=name))
    return tuple(named)


def _network(
    node: Node, files: ImageFiles, style: Style | None, named: tuple[Interface, ...], site: Site
) -> list[IdentityChange]:
    values: dict[str, object] = {
        "node": node,
        "interfaces": [_seen_by_template(node, each) for each in named],
        "dns": site.dns,
        "domain": site.domain,
        "renderer": _netplan_renderer(files),
    }
    changes = [_link(each, values, node, site) for each in named]
    changes += interface_names(values, files, site.templates)
    if files.is_regular(PERSISTENT_NAMES):
        reason = "it ties interface names to the primary's MAC addresses"
        changes.append(IdentityChange(path=PERSISTENT_NAMES, content=None, reason=reason))
    if style is None:
        return changes
    written = _addresses(node, style, named, values, site)
    kept = {change.path for change in written}
    removed = [
        IdentityChange(
            path=path,
            content=None,
            reason=f"the primary's own addresses ({style.name}); the declared ones are written",
        )
        for path in style.files(files)
        if path not in kept
    ]
    return [*changes, *removed, *written]


def _addresses(
    node: Node,
    style: Style,
    named: tuple[Interface, ...],
    values: dict[str, object],
    site: Site,
) -> list[IdentityChange]:
    """The files of the style in use: one for all interfaces, or one each."""
    groups = [(each,) for each in named] if style.is_per_interface else [named]
    return [
        IdentityChange(
            path=style.target.format(name=group[0].name).encode(),
            content=render(
                style.template,
                {**values, "interface": _seen_by_template(node, group[0])},
                site.templates,
            ).encode(),
            mode=style.mode,
            reason=f"{style.name}: {', '.join(f'{e.name} has {e.address}' for e in group)}",
        )
        for group in groups
    ]


def _link(
    interface: Interface, values: dict[str, object], node: Node, site: Site
) -> IdentityChange:
    seen = {**values, "interface": _seen_by_template(node, interface)}
    return IdentityChange(
        path=f"etc/systemd/network/10-haoscar-{interface.name}.link".encode(),
        content=render("network/systemd.link", seen, site.templates).encode(),
        reason=f"{interface.mac} is called {interface.name}, whatever slot it sits in",
    )


def _seen_by_template(node: Node, interface: Interface) -> dict[str, object]:
    parsed = IPv4Interface(interface.address)
    return {
        **msgspec.structs.asdict(interface),
        "ip": str(parsed.ip),
        "prefixlen": parsed.network.prefixlen,
        "netmask": str(parsed.netmask),
        "uuid": str(uuid.uuid5(NAMESPACE, f"{node.name} {interface.mac}")),
    }


def _netplan_renderer(files: ImageFiles) -> str:
    """The renderer that the image's netplan files choose, "" for netplan's own default."""
    for name in files.names(b"etc/netplan"):
        text = (files.read(b"etc/netplan/" + name) or b"").decode("utf-8", "replace")
        for line in text.splitlines():
            if line.strip().startswith("renderer:"):
                return line.partition(":")[2].strip()
    return ""


def _disks(files: ImageFiles, layout: DiskLayout, site: Site) -> list[IdentityChange]:
    """What a tree without disks of its own lacks: where its file systems are, and how to boot."""
    changes = []
    if layout.is_default:
        fstab = (files.read(b"etc/fstab") or b"").decode("utf-8", "surrogateescape")
        changes.append(
            IdentityChange(
                path=b"etc/fstab",
                content=edit_fstab(fstab, layout).encode("utf-8", "surrogateescape"),
                reason="the tree was captured without disks; these are the file systems it gets",
            )
        )
    has_config = any(files.is_regular(path) for path in GRUB_CONFIGS)
    if layout.boot.loader == "grub" and (layout.is_default or not has_config):
        path = GRUB_CONFIGS[1] if files.names(b"boot/grub2") else GRUB_CONFIGS[0]
        changes.append(
            IdentityChange(
                path=path,
                content=grub_config(files, layout, site.templates).encode(),
                mode=0o600,
                reason="GRUB's menu; the image has none that fits its file systems",
            )
        )
    return changes


def _site_rules(node: Node, named: tuple[Interface, ...], site: Site) -> list[IdentityChange]:
    values: dict[str, object] = {
        "node": node,
        "interface": _seen_by_template(node, named[0]),
        "interfaces": [_seen_by_template(node, each) for each in named],
        "domain": site.domain,
    }
    return [
        IdentityChange(
            path=rule.path.strip("/").encode(),
            content=render(rule.template, values, site.templates).encode(),
            reason=rule.reason,
        )
        for rule in site.rules
    ]
