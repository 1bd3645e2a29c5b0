"""What `init` can find out about this machine's network, so that it need not ask."""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import Any, Final

from haoscar_pxe.command import Run
from haoscar_pxe.errors import ConfigError

NEVER_SERVE: Final = frozenset({"ifb", "dummy", "veth", "tun", "sit", "ipip", "wireguard"})
"""Kinds of link (ip-link(8)) behind which no machine network-boots."""


@dataclass(frozen=True, slots=True)
class LocalInterface:
    """An interface of this machine.

    address: its first IPv4 address, None if it has none. has_ipv6: it has a global IPv6 address,
    so the segment may well have a router for it.
    """

    name: str
    address: IPv4Interface | None
    is_up: bool
    has_default_route: bool
    has_ipv6: bool = False


def local_interfaces(run: Run) -> list[LocalInterface]:
    """The interfaces that could serve, loopback left out."""
    links = json.loads(run(["ip", "-json", "address", "show"]).text or "[]")
    names = json.loads(run(["ip", "-json", "-details", "link", "show"]).text or "[]")
    routes = json.loads(run(["ip", "-json", "route", "show", "default"]).text or "[]")
    routed = {route["dev"] for route in routes if "dev" in route}
    addresses = {link["ifname"]: link.get("addr_info", []) for link in links if link}
    return [
        LocalInterface(
            name=link["ifname"],
            address=_first(addresses.get(link["ifname"], [])),
            is_up="UP" in link.get("flags", []),
            has_default_route=link["ifname"] in routed,
            has_ipv6=_has_ipv6(addresses.get(link["ifname"], [])),
        )
        for link in names
        if _can_serve(link)
    ]


def _can_serve(link: dict[str, Any]) -> bool:
    kind = link.get("linkinfo", {}).get("info_kind", "")
    return "LOOPBACK" not in link.get("flags", []) and kind not in NEVER_SERVE


def _first(infos: list[dict[str, object]]) -> IPv4Interface | None:
    for info in infos:
        if info.get("family") == "inet":
            return IPv4Interface(f"{info['local']}/{info['prefixlen']}")
    return None


def _has_ipv6(infos: list[dict[str, object]]) -> bool:
    return any((info.get("family"), info.get("scope")) == ("inet6", "global") for info in infos)


def choose(interfaces: list[LocalInterface], wanted: str = "") -> tuple[LocalInterface, str]:
    """The interface of the cluster's own network, and why it was chosen.

    wanted: a name given by the user. Raises ConfigError when there is no such one, or none.
    """
    listed = ", ".join(each.name for each in interfaces) or "none but loopback"
    if wanted:
        for each in interfaces:
            if each.name == wanted:
                return each, "as you said"
        raise ConfigError(f"there is no interface {wanted} here; there are: {listed}")
    ranked = sorted(interfaces, key=_rank)
    if not ranked:
        raise ConfigError("this machine has no network interface but loopback")
    best = ranked[0]
    private = "a private address and no default route, so it looks like the cluster's own"
    if best.address and not best.has_default_route and best.address.is_private:
        return best, private
    return best, f"the likeliest of {listed}; give another with --interface"


def _rank(each: LocalInterface) -> tuple[bool, bool, bool, bool, str]:
    return (
        each.address is None,
        each.has_default_route,
        not each.is_up,
        not (each.address and each.address.is_private),
        each.name,
    )
