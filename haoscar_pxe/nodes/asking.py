"""Who is asking, and what is answered: the values between the boot server and the boot decision.

`serve` fills in an Asker from what came over the network and sends what the decision in `boot`
gave it. Everything in an Asker was said by the network: any of it may be a lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Literal, TypeAlias

DhcpMessage: TypeAlias = Literal["BOOTP", "DISCOVER", "REQUEST", "INFORM"]


@dataclass(frozen=True, slots=True)
class Asker:
    """A machine that asks by DHCP or BOOTP for an address and something to boot.

    mac: lower case with colons, from `chaddr`. message: what kind of question it was.
    arch: option 93 (RFC 4578, 0 is BIOS, 7 and 9 are x86-64 UEFI), None if it did not say.
    vendor_class: option 60 ("PXEClient:Arch:00000:UNDI:002001"), user_class: option 77 ("iPXE");
    "" if not said, bytes outside ASCII as backslash escapes.
    client_uuid: option 97 as 32 hexadecimal digits in the order of the wire, "" if not said.
    giaddr: the relay that passed it on, None if it was heard directly.
    requested_ip: option 50, or ciaddr of a machine that already uses an address.
    is_ipxe: option 175 or the user class says that iPXE itself is asking.
    """

    mac: str
    message: DhcpMessage = "DISCOVER"
    arch: int | None = None
    vendor_class: str = ""
    user_class: str = ""
    client_uuid: str = ""
    giaddr: IPv4Address | None = None
    requested_ip: IPv4Address | None = None
    is_ipxe: bool = False

    @property
    def is_pxe(self) -> bool:
        """Firmware or a boot program asks, not an operating system."""
        return self.is_ipxe or self.vendor_class.startswith(("PXEClient", "HTTPClient"))


@dataclass(frozen=True, slots=True)
class DhcpAnswer:
    """What a machine is told by DHCP.

    address: its address with the prefix length of its network. next_server: where boot_filename
    is to be had (`siaddr`); boot_filename: "" gives none (and no next_server either).
    lease_s: seconds, at least 1; a known node's address is the same again after that.
    options: more (code, bytes), each at most once; they replace what the fields above would send.
    reason: in words, for the log and for `boot explain`.
    """

    address: IPv4Interface
    reason: str
    gateway: IPv4Address | None = None
    dns: tuple[IPv4Address, ...] = ()
    domain: str = ""
    hostname: str = ""
    next_server: IPv4Address | None = None
    boot_filename: str = ""
    lease_s: int = 86400
    options: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Silence:
    """A machine that is not answered at all, and why."""

    reason: str


DhcpDecision: TypeAlias = DhcpAnswer | Silence

FileAnswer: TypeAlias = Path | bytes
"""A file on this disk, or bytes that were rendered when it was asked for."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is understood and not granted.

    status: of HTTP: 400 not understood, 401 no such token, 403 not allowed, 404 nobody by that
    name, 409 not now. reason: one line that the person at the console can act on.
    """

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Reads:
    """Of which images a token opens manifests and packs; None: of all."""

    images: frozenset[str] | None

    def covers(self, image: str) -> bool:
        """Whether the image is one of them."""
        return self.images is None or image in self.images


OrderAnswer: TypeAlias = bytes | Refusal
"""An InstallOrder as JSON, or why there is none."""
