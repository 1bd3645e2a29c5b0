"""The ways a distribution writes down its addresses, found in an image and rewritten for a node.

One style is one table row: where its files lie, how to see which interface had which address, and
which template replaces them. Sources: interfaces(5), systemd.network(5), nm-settings-keyfile(5),
netplan(5), and the ifcfg format of initscripts' sysconfig.txt.

It does not merge: the files of the style in use are replaced by the declared interfaces, so that
no address of the primary can live on, on an interface nobody thought of.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address

from haoscar_pxe.boot.image_files import ImageFiles
from haoscar_pxe.nodes.declare import is_interface_name


@dataclass(frozen=True, slots=True)
class Configured:
    """An interface that the image configures: its name and one of its addresses."""

    name: str
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class Style:
    """One way to write addresses down.

    folder, suffix, prefix: which files hold them; `only` instead names a single file.
    enabled: links of which one exists when the service that reads them is on; empty: always on.
    target: the file written, with {name} where each interface gets one of its own.
    """

    name: str
    folder: bytes
    prefix: bytes
    suffix: bytes
    template: str
    target: str
    mode: int
    configured: Callable[[str], list[tuple[str, str]]]
    enabled: tuple[bytes, ...] = ()
    only: bytes = b""

    @property
    def is_per_interface(self) -> bool:
        """Each interface has a file of its own."""
        return "{name}" in self.target

    def files(self, files: ImageFiles) -> list[bytes]:
        """The image's files of this style."""
        found = [
            self.folder + b"/" + name
            for name in files.names(self.folder)
            if name.startswith(self.prefix) and name.endswith(self.suffix) and name != b"ifcfg-lo"
        ]
        return ([self.only] if self.only and files.read(self.only) is not None else []) + found

    def interfaces(self, files: ImageFiles) -> list[Configured]:
        """The interfaces with static IPv4 addresses in the image's files; of eth0:1 it is eth0."""
        pairs = [pair for path in self.files(files) for pair in self.configured(_text(files, path))]
        cards = [(name.partition(":")[0], _address(text)) for name, text in pairs]
        return [Configured(name, at) for name, at in cards if at and is_interface_name(name)]

    def is_used(self, files: ImageFiles) -> bool:
        """Whether the image's addresses come from files of this style."""
        return (not self.enabled or self.is_enabled(files)) and bool(self.files(files))

    def is_enabled(self, files: ImageFiles) -> bool:
        """Whether the service that reads these files is known to be on, with or without files."""
        links = (link.rpartition(b"/") for link in self.enabled)
        return any(name in files.names(folder) for folder, _, name in links)


def _text(files: ImageFiles, path: bytes) -> str:
    return (files.read(path) or b"").decode("utf-8", "replace")


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text.partition("/")[0])
    except ValueError:
        return None


def _from_interfaces(text: str) -> list[tuple[str, str]]:
    """
    >>> _from_interfaces("auto ens3\\niface ens3 inet static\\n  address 10.77.0.10/24\\n")
    [('ens3', '10.77.0.10/24')]
    """
    found = []
    name = ""
    for line in text.splitlines():
        match line.split():
            case ["iface", name, *_]:
                pass
            case ["address", address, *_] if name:
                found.append((name, address))
    return found


def _from_keys(name_key: str, address_key: str) -> Callable[[str], list[tuple[str, str]]]:
    """A reader of key=value files with one interface each; address keys may repeat.

    A pattern ("Name=en*") or a list is no name: the files do not tell which interface it was.
    """
    name = re.compile(rf"^\s*{name_key}\s*=\s*[\"']?([\w.:-]+)[\"']?\s*$", re.MULTILINE)
    address = re.compile(rf"^\s*{address_key}\s*=\s*[\"']?([\d./]+)", re.MULTILINE)

    def read(text: str) -> list[tuple[str, str]]:
        names = name.findall(text)
        return [(names[0], each) for each in address.findall(text)] if names else []

    return read


def _from_netplan(text: str) -> list[tuple[str, str]]:
    """Addresses of devices, each with the name that the device is given.

    Enough of YAML for block style, which is what installers write; in flow style nothing is
    found, and the node's interface then needs a declared name.

    >>> _from_netplan("network:\\n  ethernets:\\n    eno1:\\n      addresses: [10.77.0.10/24]\\n")
    [('eno1', '10.77.0.10/24')]
    """
    found: list[tuple[str, str]] = []
    names: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        if key := _YAML_KEY.fullmatch(line):
            indent = len(line) - len(line.lstrip())
            above = [*(each for each in above if each[0] < indent), (indent, key[1])]
        match [name for _, name in above]:
            case ["network", _, device, "set-name"] if key:
                names[device] = key[2].strip("\"' ")
            case ["network", _, device, "addresses"]:
                found += [(device, each) for each in _WITH_PREFIX.findall(line)]
    return [(names.get(device, device), address) for device, address in found]


_YAML_KEY = re.compile(r"\s*[\"']?([\w.-]+)[\"']?:(?:\s+(.*))?")
_WITH_PREFIX = re.compile(r"\d+\.\d+\.\d+\.\d+/\d+")

STYLES = (
    Style(
        name="netplan",
        folder=b"etc/netplan",
        prefix=b"",
        suffix=b".yaml",
        template="network/netplan.yaml",
        target="etc/netplan/90-haoscar-pxe.yaml",
        mode=0o600,
        configured=_from_netplan,
    ),
    Style(
        name="ifcfg",
        folder=b"etc/sysconfig/network-scripts",
        prefix=b"ifcfg-",
        suffix=b"",
        template="network/ifcfg",
        target="etc/sysconfig/network-scripts/ifcfg-{name}",
        mode=0o644,
        configured=_from_keys("DEVICE", r"IPADDR\d*"),
    ),
    Style(
        name="systemd-networkd",
        folder=b"etc/systemd/network",
        prefix=b"",
        suffix=b".network",
        template="network/systemd.network",
        target="etc/systemd/network/10-haoscar-{name}.network",
        mode=0o644,
        configured=_from_keys("Name", "Address"),
        enabled=(b"etc/systemd/system/multi-user.target.wants/systemd-networkd.service",),
    ),
    Style(
        name="NetworkManager",
        folder=b"etc/NetworkManager/system-connections",
        prefix=b"",
        suffix=b".nmconnection",
        template="network/NetworkManager.nmconnection",
        target="etc/NetworkManager/system-connections/haoscar-{name}.nmconnection",
        mode=0o600,
        configured=_from_keys("interface-name", r"address\d*"),
        enabled=(b"etc/systemd/system/multi-user.target.wants/NetworkManager.service",),
    ),
    Style(
        name="ifupdown",
        folder=b"etc/network/interfaces.d",
        prefix=b"",
        suffix=b"",
        template="network/interfaces",
        target="etc/network/interfaces",
        mode=0o644,
        configured=_from_interfaces,
        only=b"etc/network/interfaces",
    ),
)
"""In the order in which they win where an image holds files of several: netplan generates files of
the others, ifcfg is read by NetworkManager, and Debian leaves ifupdown's file (with lo alone)
beside a NetworkManager or networkd that does the work."""


def style_of(files: ImageFiles) -> Style | None:
    """The style that the image uses; None when it configures no interface that we know of.

    A NetworkManager or networkd that is on and has no files yet asks DHCP for everything: the
    standby's files are its own then, not those of an ifupdown that knows the loopback only.
    """
    used = [style for style in STYLES if style.is_used(files)]
    with_address = [style for style in used if style.interfaces(files)]
    busy = [style for style in used if not _is_loopback_only(style, files)]
    enabled = [style for style in STYLES if style.is_enabled(files)]
    return next(iter([*with_address, *busy, *enabled, *used]), None)


def _is_loopback_only(style: Style, files: ImageFiles) -> bool:
    texts = [_text(files, path) for path in style.files(files)]
    return style.name == "ifupdown" and not any(_BEYOND_LOOPBACK.search(text) for text in texts)


_BEYOND_LOOPBACK = re.compile(r"^\s*iface\s+(?!lo\b)", re.MULTILINE)
