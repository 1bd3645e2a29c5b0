"""The network's checks: an interface as ip(8) shows it, and ports as /proc shows them."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from haoscar_pxe.cli import network_checks
from haoscar_pxe.cli.network_checks import interface_check, port_checks
from haoscar_pxe.command import Finished, Run
from haoscar_pxe.config import ServeConfig
from haoscar_pxe.serve.probe import Offer

SERVE = ServeConfig(interface="eth1", address="10.77.0.1/24")
ADDRESS = {"family": "inet", "local": "10.77.0.1", "prefixlen": 24}
OTHER = {"family": "inet", "local": "10.77.0.9", "prefixlen": 24}
LINK_LOCAL = {"family": "inet6", "local": "fe80::1", "prefixlen": 64}


def ip_says(flags: list[str], *addresses: dict[str, object], name: str = "eth1") -> Run:
    """ip(8), asked for JSON."""

    def run(argv: Sequence[str], *, stdin: bytes = b"", hint: str = "") -> Finished:
        link = {"ifname": name, "flags": flags, "addr_info": [LINK_LOCAL, *addresses]}
        return Finished(json.dumps([{"ifname": "lo", "flags": ["UP"]}, link]).encode(), b"")

    return run


def test_an_interface_that_is_up_with_its_address_is_fine() -> None:
    assert interface_check(SERVE, ip_says(["UP"], OTHER, ADDRESS)).verdict == "ok"


@pytest.mark.parametrize(
    ("run", "found", "hint"),
    [
        (ip_says(["UP"], name="eth0"), "there are: eth0", "init"),
        (ip_says(["BROADCAST"], ADDRESS), "down", "ip link set eth1 up"),
        (ip_says(["UP"]), "no IPv4 address", "ip address add 10.77.0.1/24 dev eth1"),
        (ip_says(["UP"], OTHER), "10.77.0.9/24, not 10.77.0.1/24", "ip address add"),
    ],
)
def test_what_is_wrong_with_an_interface_is_said_with_the_command(
    run: Run, found: str, hint: str
) -> None:
    check = interface_check(SERVE, run)
    assert check.verdict == "failed"
    assert found in check.found
    assert hint in check.hint


def test_a_port_in_use_names_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        serve = replace(SERVE, dhcp=False, tftp=False, http_port=port)
        (check,) = port_checks(serve)
    assert check.verdict == "failed"
    assert "pid" in check.found
    assert check.hint.startswith("systemctl disable --now ")
    (free,) = port_checks(serve)
    assert (free.verdict, free.found) == ("ok", "free")


def test_only_ports_that_are_served_are_looked_at() -> None:
    names = [check.name for check in port_checks(replace(SERVE, dhcp=False))]
    assert names == ["UDP port 69 (TFTP)", "TCP port 8069 (HTTP)"]


def test_the_other_server_of_the_same_nodes_is_no_rogue(monkeypatch: pytest.MonkeyPatch) -> None:
    offers = [Offer("10.77.0.2", "52:54:00:00:00:02", IPv4Address("10.77.0.20"), "lpxelinux.0")]
    monkeypatch.setattr(network_checks, "find_dhcp_servers", lambda _: offers)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert network_checks.dhcp_check(SERVE, IPv4Address("10.77.0.2")).verdict == "ok"
    assert network_checks.dhcp_check(SERVE).verdict == "failed"
