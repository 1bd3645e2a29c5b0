"""What a standby of an image can be asked: probes that follow from what the image has enabled.

A rehearsal may demand more (the demo demands its page); it never demands what the primary itself
does not do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Interface
from typing import Final

from haoscar_pxe.boot.image_files import ImageFiles
from haoscar_pxe.nodes.node import Node
from haoscar_pxe.nodes.order import IdentityChange
from haoscar_pxe.rehearse.probe import Arp, Login, Page, Ping, Probe, Ssh

UNITS: Final = b"etc/systemd/system"
SSH_UNITS: Final = frozenset({b"ssh.service", b"sshd.service", b"ssh.socket", b"sshd.socket"})
WEB_UNITS: Final = frozenset({b"nginx.service", b"apache2.service", b"httpd.service"})
WEB_CONFIGS: Final = (
    *(b"etc/nginx/nginx.conf", b"etc/nginx/sites-enabled/default"),
    *(b"etc/apache2/ports.conf", b"etc/httpd/conf/httpd.conf"),
)
LISTENS_ON_80: Final = re.compile(rb"^\s*listen\s+(\S+:)?80\b", re.MULTILINE | re.IGNORECASE)
GRUB_CONFIGS: Final = (b"boot/grub/grub.cfg", b"boot/grub2/grub.cfg")
SERIAL_GETTY: Final = b"serial-getty@ttyS0.service"


def expected_probes(
    node: Node, files: ImageFiles, identity: Sequence[IdentityChange]
) -> tuple[Probe, ...]:
    """Probes for the node once it is up: its name and address, then the services it has."""
    interface = node.boot_interface
    address = str(IPv4Interface(interface.address).ip)
    enabled = _enabled(files)
    probes: list[Probe] = []
    if SERIAL_GETTY in enabled or _has_serial_console(files, identity):
        probes.append(Login(node.name.partition(".")[0]))
    probes += [Arp(address, interface.mac), Ping(address)]
    if enabled & SSH_UNITS:
        probes.append(Ssh(address))
    if enabled & WEB_UNITS and _serves_port_80(files):
        probes.append(Page(address))
    return tuple(probes)


def _enabled(files: ImageFiles) -> frozenset[bytes]:
    """Units that a target wants (systemd.unit(5): links in <target>.wants)."""
    wants = [folder for folder in files.names(UNITS) if folder.endswith(b".wants")]
    return frozenset(name for folder in wants for name in files.names(UNITS + b"/" + folder))


def _serves_port_80(files: ImageFiles) -> bool:
    return any(LISTENS_ON_80.search(files.read(path) or b"") for path in WEB_CONFIGS)


def _has_serial_console(files: ImageFiles, identity: Sequence[IdentityChange]) -> bool:
    """systemd-getty-generator(8) asks for a login on every console= of the kernel command line."""
    written = {change.path: change.content for change in identity}
    configs = [written.get(path) or files.read(path) or b"" for path in GRUB_CONFIGS]
    return any(b"console=ttyS0" in config for config in configs)
