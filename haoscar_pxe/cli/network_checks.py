"""The checks of `doctor` that look at the cluster's network: interface, ports, other servers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import Any, Final

from haoscar_pxe.boot.firmware_files import BIOS_BOOT_FILE, UEFI_BOOT_FILE, firmware_files
from haoscar_pxe.cli.check import Check
from haoscar_pxe.command import Run
from haoscar_pxe.config import ServeConfig
from haoscar_pxe.errors import HaoscarError
from haoscar_pxe.serve.port_holder import Protocol, port_holders
from haoscar_pxe.serve.probe import Offer, fetch_boot_file, find_dhcp_servers
from haoscar_pxe.wire.dhcp_proxy import BOOT_SERVICE_PORT

DHCP_PORT: Final = 67  # RFC 2131 section 4.1
TFTP_PORT: Final = 69  # RFC 1350 section 4
OURSELVES: Final = "haoscar-pxe"


def network_checks(
    serve: ServeConfig, run: Run, twin: IPv4Address | None = None
) -> Iterator[Check]:
    """Interface and address, ports, DHCP servers on the segment, our boot file over TFTP.

    twin: the other server of the same nodes.
    """
    interface = interface_check(serve, run)
    yield interface
    yield from port_checks(serve)
    if interface.verdict == "failed":
        return
    yield dhcp_check(serve, twin)
    if serve.tftp and _is_ours(port_holders("udp", TFTP_PORT)):
        yield boot_file_check(serve)


def interface_check(serve: ServeConfig, run: Run) -> Check:
    """Whether the interface is there, is up and has the configured address."""
    # Any interface will do that the site chose, also one that `init` would not propose.
    links = _links(run)
    name = f"interface {serve.interface}"
    link = links.get(serve.interface)
    if link is None:
        listed = ", ".join(each for each in links if each != "lo") or "none but loopback"
        hint = "'haoscar-pxe init --force' proposes one of them"
        return Check(name, "failed", f"not here; there are: {listed}", hint)
    if not link.is_up:
        return Check(name, "failed", "it is down", f"ip link set {serve.interface} up")
    if serve.ip not in link.addresses:
        has = ", ".join(str(each) for each in link.addresses) or "no IPv4 address"
        command = f"ip address add {serve.address} dev {serve.interface}"
        return Check(name, "failed", f"it has {has}, not {serve.address}", command)
    return Check(name, "ok", f"up, {serve.address}")


@dataclass(frozen=True, slots=True)
class Link:
    """An interface as ip-address(8) shows it."""

    is_up: bool
    addresses: tuple[IPv4Interface, ...]


def _links(run: Run) -> dict[str, Link]:
    shown = json.loads(run(["ip", "-json", "address", "show"]).text or "[]")
    return {link["ifname"]: Link("UP" in link["flags"], _addresses(link)) for link in shown}


def _addresses(link: dict[str, Any]) -> tuple[IPv4Interface, ...]:
    infos = [info for info in link.get("addr_info", []) if info.get("family") == "inet"]
    return tuple(IPv4Interface(f"{info['local']}/{info['prefixlen']}") for info in infos)


def port_checks(serve: ServeConfig) -> Iterator[Check]:
    """Whether each port that `serve` needs is free, or held by `serve`."""
    ports: list[tuple[str, Protocol, int, bool]] = [
        ("DHCP", "udp", DHCP_PORT, serve.dhcp),
        ("DHCP boot service", "udp", BOOT_SERVICE_PORT, serve.dhcp and serve.proxy_dhcp),
        ("TFTP", "udp", TFTP_PORT, serve.tftp),
        ("HTTP", "tcp", serve.http_port, True),
    ]
    for word, protocol, port, is_wanted in ports:
        if is_wanted:
            yield _port_check(f"{protocol.upper()} port {port} ({word})", port, protocol)


def _port_check(name: str, port: int, protocol: Protocol) -> Check:
    holders = port_holders(protocol, port)
    if not holders:
        return Check(name, "ok", "free")
    if _is_ours(holders):
        return Check(name, "ok", f"held by {', '.join(holders)}")
    program = holders[0].partition(" ")[0]
    return Check(
        name, "failed", f"held by {', '.join(holders)}", f"systemctl disable --now {program}"
    )


def _is_ours(holders: list[str]) -> bool:
    return bool(holders) and all(holder.startswith(OURSELVES) for holder in holders)


def dhcp_check(serve: ServeConfig, twin: IPv4Address | None = None) -> Check:
    """Whether another machine answers DHCP on the segment: two servers, and boots are a lottery."""
    name = f"other DHCP servers on {serve.interface}"
    if os.geteuid() != 0:
        return Check(name, "warning", "not asked", "run the same command with sudo")
    try:
        offers = find_dhcp_servers(serve.interface)
    except HaoscarError as error:
        return Check(name, "failed", str(error), error.hint)
    ours = (str(serve.ip.ip), str(twin))
    others = [offer for offer in offers if offer.server_id not in ours]
    if serve.proxy_dhcp:
        return _address_givers(name, others)
    if not others:
        return Check(name, "ok", "none answered")
    return Check(
        name,
        "failed",
        "; ".join(_describe(offer) for offer in others),
        "switch it off on this segment, or serve from an interface it does not reach",
    )


def _address_givers(name: str, others: list[Offer]) -> Check:
    """A proxy needs just one server that gives addresses and says nothing of booting."""
    found = "; ".join(_describe(offer) for offer in others)
    if not others:
        hint = "switch one on, or set serve.proxy_dhcp = false to give addresses from here"
        return Check(name, "failed", "none answered, and this server only proxies", hint)
    if any(offer.boot_filename for offer in others):
        hint = "take the boot file out of its configuration: machines may choose either"
        return Check(name, "failed", found, hint)
    return Check(name, "ok", found)


def _describe(offer: Offer) -> str:
    boots = f" and the boot file {offer.boot_filename}" if offer.boot_filename else ""
    return f"{offer.server_id} ({offer.server_mac}) offered {offer.address}{boots}"


def boot_file_check(serve: ServeConfig) -> Check:
    """Whether boot files come over TFTP from our own address, as machines would fetch them."""
    name = f"boot files from {serve.ip.ip}"
    try:
        here = firmware_files()
        wanted = [file for file in (BIOS_BOOT_FILE, UEFI_BOOT_FILE) if file in here]
        fetched = {file: fetch_boot_file(serve.ip.ip, file) for file in wanted}
    except HaoscarError as error:
        return Check(name, "failed", str(error), error.hint)
    found = [
        f"{file}: {got.size_bytes} bytes in {got.seconds * 1000:.0f} ms"
        for file, got in fetched.items()
    ]
    return Check(name, "ok", ", ".join(found))
