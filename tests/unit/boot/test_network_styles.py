"""Which interface had which address, read from the files of each style."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from haoscar_pxe.boot.network_styles import Configured, style_of
from tests.unit.boot.folder_files import tree

NETWORKD = "etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
LAN = Configured("lan9", IPv4Address("10.77.0.10"))


def configured(folder: Path, path: str, content: str) -> list[Configured]:
    files = tree(folder, {path: content, NETWORKD: ""})
    style = style_of(files)
    assert style is not None
    return style.interfaces(files)


@pytest.mark.parametrize(
    "devices",
    [
        "  ethernets:\n    lan9:\n      addresses: [10.77.0.10/24]\n",
        "  ethernets:\n    lan9:\n      addresses:\n      - 10.77.0.10/24\n      mtu: 9000\n",
        '  ethernets:\n    id0:\n      match:\n        macaddress: "52:54:00:aa:bb:cc"\n'
        "      set-name: lan9\n      addresses: [10.77.0.10/24]\n",
        '  ethernets:\n    lan9:\n      addresses:\n        - "10.77.0.10/24":\n'
        "            label: a\n",
        "  wifis:\n    w0:\n      dhcp4: true\n"
        "  ethernets:\n    lan9:\n      addresses: [10.77.0.10/24]\n",
        "  ethernets:\n    lan9:\n      nameservers:\n        addresses: [10.77.0.1, 10.0.0.1/8]\n"
        "      routes:\n        - to: 10.99.0.0/16\n          via: 10.77.0.1\n"
        "      addresses: [10.77.0.10/24]\n",
        "  bridges:\n    lan9:\n      interfaces: [eno1]\n      addresses: [10.77.0.10/24]\n"
        "  ethernets:\n    eno1: {}\n",
    ],
)
def test_netplan_addresses_belong_to_the_name_the_device_is_given(
    devices: str, tmp_path: Path
) -> None:
    text = f"network:\n  version: 2\n  renderer: networkd\n{devices}"
    assert configured(tmp_path, "etc/netplan/01.yaml", text) == [LAN]


LOOPBACK = "auto lo\niface lo inet loopback\n"
MANAGER = "etc/systemd/system/multi-user.target.wants/NetworkManager.service"


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({MANAGER: ""}, "NetworkManager"),
        ({MANAGER: "", "etc/network/interfaces": LOOPBACK}, "NetworkManager"),
        ({NETWORKD: "", "etc/network/interfaces": LOOPBACK}, "systemd-networkd"),
        ({MANAGER: "", "etc/network/interfaces": LOOPBACK + "iface eno1 inet dhcp\n"}, "ifupdown"),
        ({NETWORKD: "", "etc/netplan/01.yaml": "network:\n  version: 2\n"}, "netplan"),
        ({"etc/network/interfaces": LOOPBACK}, "ifupdown"),
        ({"etc/hostname": "head\n"}, None),
    ],
)
def test_a_head_that_asks_dhcp_keeps_the_program_that_does_it(
    files: dict[str, str], name: str | None, tmp_path: Path
) -> None:
    style = style_of(tree(tmp_path, files))
    assert (style and style.name) == name


def test_an_alias_is_the_card_it_is_on(tmp_path: Path) -> None:
    stanza = "auto lan9:1\niface lan9:1 inet static\n  address 10.77.0.10/24\n"
    assert configured(tmp_path, "etc/network/interfaces", stanza) == [LAN]


def test_a_name_that_no_card_can_have_is_none(tmp_path: Path) -> None:
    stanza = "iface $(reboot) inet static\n  address 10.77.0.10/24\n"
    assert configured(tmp_path, "etc/network/interfaces", stanza) == []


def test_a_pattern_in_networkds_match_is_no_interfaces_name(tmp_path: Path) -> None:
    path = "etc/systemd/network/20.network"
    section = "[Network]\nAddress=10.77.0.10/24\n"
    assert configured(tmp_path, path, f"[Match]\nName=lan9\n{section}") == [LAN]
    assert configured(tmp_path, path, f"[Match]\nName=en*\n{section}") == []
    assert configured(tmp_path, path, f"[Match]\nName=lan8 lan9\n{section}") == []
