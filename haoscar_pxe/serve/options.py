"""What the boot server is told by the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where to serve and what.

    interface: the network interface that machines boot from ("eth1"); DHCP hears no other.
    address: this server's own address on it, with the prefix length; TFTP and HTTP answer there.
    http_port, tftp_port, dhcp_port: 0 takes a free one (`Endpoints` tells which).
    proxy_dhcp: another server gives the addresses; then boot_service_port is heard as well.
    mtu_bytes: of the links to the machines; TFTP blocks are kept below it.
    tftp_windowsize: blocks that a TFTP client may have in flight.
    router_advertisement: answer IPv6 router solicitations with "no router here", which spares
    iPXE its 16 s wait for one.
    patience_s: how long an HTTP client may take over a request's head, over its body, and without
    taking any of what it is sent.
    grace_s: how long transfers under way may go on after a stop was asked for.
    twin: the address of the other server of the same nodes, None if there is none.
    gives_up_privileges: once everything is bound, keep the capabilities for files only.
    """

    interface: str
    address: IPv4Interface
    http_port: int = 8069
    dhcp: bool = True
    tftp: bool = True
    dhcp_port: int = 67
    proxy_dhcp: bool = False
    boot_service_port: int = 4011
    tftp_port: int = 69
    mtu_bytes: int = 1500
    tftp_windowsize: int = 64
    router_advertisement: bool = False
    patience_s: float = 60.0
    grace_s: float = 5.0
    gives_up_privileges: bool = False
    twin: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What is being served: the ports, None for a protocol that is off."""

    address: IPv4Interface
    http_port: int
    tftp_port: int | None
    dhcp_port: int | None

    def __str__(self) -> str:
        """One line for the log."""
        ports = (("DHCP", self.dhcp_port), ("TFTP", self.tftp_port), ("HTTP", self.http_port))
        spoken = ", ".join(f"{name} on port {port}" for name, port in ports if port is not None)
        return f"{self.address.ip}: {spoken}"
