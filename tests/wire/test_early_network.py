"""The agent's network set-up on a real interface, with the `ip` that the initramfs has."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest

from haoscar_pxe.errors import CommandError
from tests.needed import need
from tests.wire.namespaces import CLIENT_MAC, Link, link

pytestmark = pytest.mark.wire

SET_UP = """
import sys
from ipaddress import IPv4Interface
from haoscar_pxe.command import run
from haoscar_pxe.install.early import BootParameters
from haoscar_pxe.install.early_network import bring_up_network

def busybox(argv, **given):
    return run(["busybox", *argv], **given)

mac, address = sys.argv[1:]
wanted = BootParameters("http://10.77.0.1", mac, IPv4Interface(address), gateway="10.77.0.1")
print(bring_up_network(wanted, run=busybox))
"""


@pytest.fixture
def wire() -> Iterator[Link]:
    need("ip", "busybox")
    with link(client_address=None) as made:
        yield made


def set_up(wire: Link, address: str) -> str:
    return wire.client.run(sys.executable, "-c", SET_UP, CLIENT_MAC, address).text


def addresses(wire: Link) -> list[str]:
    shown = json.loads(wire.client.run("ip", "-json", "address", "show", "dev", "eth0").text)
    return [f"{a['local']}/{a['prefixlen']}" for a in shown[0]["addr_info"] if a["scope"] != "link"]


def test_the_server_can_be_reached_afterwards(wire: Link) -> None:
    assert set_up(wire, "10.77.0.20/24").startswith(f"eth0 {CLIENT_MAC} (")
    wire.client.run("busybox", "ping", "-c", "1", "-W", "5", "10.77.0.1")
    assert "default via 10.77.0.1" in wire.client.run("ip", "route").text


def test_setting_up_again_replaces_what_was_set(wire: Link) -> None:
    set_up(wire, "10.77.0.20/24")
    set_up(wire, "10.77.0.21/24")
    assert addresses(wire) == ["10.77.0.21/24"]


def test_an_interface_that_was_down_is_brought_up(wire: Link) -> None:
    wire.client.run("ip", "link", "set", "eth0", "down")
    set_up(wire, "10.77.0.20/24")
    assert addresses(wire) == ["10.77.0.20/24"]


def test_another_mac_is_refused_with_what_is_there(wire: Link) -> None:
    code = "import sys; from haoscar_pxe.install.early_network import wait_for_nic\n"
    code += "wait_for_nic(sys.argv[1], timeout_s=0.2)"
    with pytest.raises(CommandError, match=rf"this machine has: eth0 {CLIENT_MAC}"):
        wire.client.run(sys.executable, "-c", code, "52:54:00:99:99:99")
