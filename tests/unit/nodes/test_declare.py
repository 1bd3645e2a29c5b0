"""What an administrator types becomes a node, or a named mistake."""

from __future__ import annotations

import pytest

from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.declare import armed, canonical_mac, interface, new_node
from haoscar_pxe.nodes.node import Interface, NodeState

LAN = interface("52:54:00:00:00:20", "10.77.0.20/24", "10.77.0.1")


@pytest.mark.parametrize(
    "text", ["52-54-00-ab-cd-ef", "52:54:00:AB:CD:EF", "525400abcdef", " 5254.00ab.cdef "]
)
def test_every_spelling_of_a_mac_is_the_same_mac(text: str) -> None:
    assert canonical_mac(text) == "52:54:00:ab:cd:ef"


@pytest.mark.parametrize(
    "text", ["", "52:54:00", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "x" * 12]
)
def test_what_cannot_be_a_machines_mac_is_refused(text: str) -> None:
    with pytest.raises(NodeError):
        canonical_mac(text)


@pytest.mark.parametrize(
    ("address", "gateway", "said"),
    [
        ("10.77.0.20", "", "no prefix length"),
        ("10.77.0.300/24", "", "10.77.0.300"),
        ("10.77.0.0/24", "", "not an address a machine"),
        ("10.77.0.255/24", "", "not an address a machine"),
        ("10.77.0.20/24", "10.78.0.1", "cannot be reached"),
    ],
)
def test_an_impossible_address_is_named(address: str, gateway: str, said: str) -> None:
    with pytest.raises(NodeError, match=said):
        interface("52:54:00:00:00:20", address, gateway)


def test_a_new_node_is_armed_and_has_secrets_of_its_own() -> None:
    one = new_node("standby", role="standby", image="primary", interfaces=(LAN,))
    two = new_node("other", role="standby", image="primary", interfaces=(LAN,))
    assert one.state is NodeState.ARMED
    assert one.machine_id != two.machine_id
    assert one.order_token != two.order_token
    assert len(one.machine_id) == 32


def test_arming_again_makes_the_old_token_void() -> None:
    node = new_node("standby", role="standby", image="primary", interfaces=(LAN,))
    again = armed(node)
    assert again.order_token != node.order_token
    assert again.machine_id == node.machine_id


@pytest.mark.parametrize("name", ["", "Standby", "-x", "a..b", "a_b", "a" * 64])
def test_a_name_that_no_host_can_have_is_refused(name: str) -> None:
    with pytest.raises(NodeError, match="no host name"):
        new_node(name, role="standby", image="primary", interfaces=(LAN,))


@pytest.mark.parametrize("disk", ["sda", "serial:", "/dev/", "/dev/sd a"])
def test_a_disk_that_cannot_be_meant_is_refused(disk: str) -> None:
    with pytest.raises(NodeError, match="names no disk"):
        new_node("standby", role="standby", image="primary", interfaces=(LAN,), disk=disk)


@pytest.mark.parametrize(
    "name", ["eno1;reboot", "a/b", "much-too-long-name", "eth0:1", "two words"]
)
def test_a_name_that_no_interface_can_have_is_refused(name: str) -> None:
    with pytest.raises(NodeError, match="no interface's name"):
        interface("52:54:00:00:00:20", "10.77.0.20/24", name=name)


def test_a_node_without_interface_is_refused() -> None:
    none: tuple[Interface, ...] = ()
    with pytest.raises(NodeError, match="no interface"):
        new_node("standby", role="standby", image="primary", interfaces=none)
