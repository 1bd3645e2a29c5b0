"""The declared identity, for every way distributions write addresses down."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from haoscar_pxe.boot.identity import Site, identity
from haoscar_pxe.boot.network_styles import style_of
from haoscar_pxe.config import IdentityRule
from haoscar_pxe.errors import BootError
from haoscar_pxe.image.layout import Boot, Disk, DiskLayout, FileSystem, Partition
from haoscar_pxe.nodes.declare import interface, new_node
from haoscar_pxe.nodes.node import Interface, Node
from haoscar_pxe.nodes.order import IdentityChange
from tests.unit.boot.folder_files import FolderFiles, tree

NODE = new_node(
    "standby",
    role="standby",
    image="primary",
    interfaces=(interface("52:54:00:00:00:20", "10.77.0.20/24", "10.77.0.1"),),
)


def layout(*, is_default: bool = False) -> DiskLayout:
    root = FileSystem(kind="ext4", uuid="d0d0", mount_point="/")
    partition = Partition(
        number=1, start_bytes=1 << 20, size_bytes=1 << 32, type_code="83", content=root
    )
    disk = Disk(
        device="/dev/sda", size_bytes=1 << 33, table="mbr", table_id="0x1", partitions=(partition,)
    )
    boot = Boot(firmware="bios", loader="grub", kernel_release="6.1.0-9-amd64")
    return DiskLayout(disks=(disk,), boot=boot, is_default=is_default)


BASE = {
    "etc/hostname": "primary\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 primary\n",
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "boot/grub/grub.cfg": "menu\n",
}
NETWORKD = "etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
MANAGER = "etc/systemd/system/multi-user.target.wants/NetworkManager.service"
STYLES = {
    "ifupdown": {
        "etc/network/interfaces": "auto lo\niface lo inet loopback\nauto eno1\n"
        "iface eno1 inet static\n  address 10.77.0.10\n  netmask 255.255.255.0\n",
    },
    "systemd-networkd": {
        NETWORKD: "",
        "etc/systemd/network/20-lan.network": "[Match]\nName=eno1\n[Network]\n"
        "Address=10.77.0.10/24\n",
        "etc/network/interfaces": "auto lo\niface lo inet loopback\n",
    },
    "NetworkManager": {
        MANAGER: "",
        "etc/NetworkManager/system-connections/lan.nmconnection": "[connection]\nid=lan\n"
        "interface-name=eno1\n[ipv4]\nmethod=manual\naddress1=10.77.0.10/24,10.77.0.1\n",
        "etc/network/interfaces": "source /etc/network/interfaces.d/*\n",
    },
    "netplan": {
        "etc/netplan/00-installer.yaml": "network:\n  version: 2\n  renderer: networkd\n"
        "  ethernets:\n    eno1:\n      addresses:\n        - 10.77.0.10/24\n      routes:\n"
        "        - to: default\n          via: 10.77.0.1\n",
        NETWORKD: "",
    },
    "ifcfg": {
        "etc/sysconfig/network-scripts/ifcfg-eno1": "DEVICE=eno1\nIPADDR=10.77.0.10\nPREFIX=24\n",
        MANAGER: "",
    },
}

HEAD = {**BASE, **STYLES["ifupdown"]}


def changes(
    files: FolderFiles, node: Node = NODE, site: Site | None = None
) -> dict[str, IdentityChange]:
    listed = identity(node, files, layout(), site or Site())
    return {change.path.decode(): change for change in listed}


def text(change: IdentityChange) -> str:
    assert change.content is not None
    return change.content.decode()


@pytest.mark.parametrize("style", STYLES)
def test_the_style_in_use_is_recognised(style: str, tmp_path: Path) -> None:
    found = style_of(tree(tmp_path, {**BASE, **STYLES[style]}))
    assert found is not None
    assert found.name == style


@pytest.mark.parametrize("style", STYLES)
def test_the_primarys_address_survives_in_no_network_file(style: str, tmp_path: Path) -> None:
    files = tree(tmp_path, {**BASE, **STYLES[style]})
    listed = changes(files)
    for path in STYLES[style]:
        after = text(listed[path]) if path in listed and listed[path].content else None
        before = files.read(path.encode())
        assert before is not None
        now = after if path in listed else before.decode()
        assert "10.77.0.10" not in (now or "")


@pytest.mark.parametrize("style", STYLES)
def test_the_standbys_address_is_written_with_its_mac(style: str, tmp_path: Path) -> None:
    listed = changes(tree(tmp_path, {**BASE, **STYLES[style]}))
    written = [text(change) for change in listed.values() if change.content]
    assert any("10.77.0.20" in each and "10.77.0.1" in each for each in written)
    link = text(listed["etc/systemd/network/10-haoscar-eno1.link"])
    assert "MACAddress=52:54:00:00:00:20" in link
    assert "Name=eno1" in link


def test_an_interface_without_a_counterpart_gets_a_name_of_its_own(tmp_path: Path) -> None:
    other = new_node(
        "standby",
        role="standby",
        image="primary",
        interfaces=(interface("52:54:00:00:00:20", "192.0.2.20/24"),),
    )
    listed = changes(tree(tmp_path, {**BASE, **STYLES["ifupdown"]}), other)
    assert "iface lan0 inet static" in text(listed["etc/network/interfaces"])


def test_two_cards_in_one_subnet_do_not_get_one_name(tmp_path: Path) -> None:
    cards = tuple(interface(f"52:54:00:00:00:2{n}", f"10.77.0.2{n}/24") for n in (0, 1))
    node = new_node("standby", role="standby", image="primary", interfaces=cards)
    written = text(changes(tree(tmp_path, HEAD), node)["etc/network/interfaces"])
    assert "iface eno1 inet static" in written
    assert "iface lan1 inet static" in written


def test_secret_connections_stay_unreadable_to_others(tmp_path: Path) -> None:
    listed = changes(tree(tmp_path, {**BASE, **STYLES["NetworkManager"]}))
    path = "etc/NetworkManager/system-connections/haoscar-eno1.nmconnection"
    assert listed[path].mode == 0o600


def test_netplan_keeps_the_images_renderer(tmp_path: Path) -> None:
    listed = changes(tree(tmp_path, {**BASE, **STYLES["netplan"]}))
    assert "renderer: networkd" in text(listed["etc/netplan/90-haoscar-pxe.yaml"])


def test_an_image_with_disks_keeps_fstab_and_grubs_menu(tmp_path: Path) -> None:
    listed = changes(tree(tmp_path, {**BASE, **STYLES["ifupdown"]}))
    assert "etc/fstab" not in listed
    menu = listed["boot/grub/grub.cfg"].content or b""
    assert menu.endswith(b"### END haoscar-pxe ###\nmenu\n")


def test_the_hook_in_grubs_menu_is_there_once_however_often_it_was_captured(
    tmp_path: Path,
) -> None:
    once = changes(tree(tmp_path / "a", HEAD))["boot/grub/grub.cfg"].content or b""
    captured = {**HEAD, "boot/grub/grub.cfg": once.decode()}
    assert changes(tree(tmp_path / "b", captured))["boot/grub/grub.cfg"].content == once
    assert once.count(b"haoscar.finish=d0d0") == 1


def test_a_client_gets_nothing_that_only_a_standby_needs(tmp_path: Path) -> None:
    client = msgspec.structs.replace(NODE, role="client")
    listed = changes(tree(tmp_path, HEAD), client)
    assert not [path for path in listed if "haoscar-pxe" in path or "grub" in path]


def test_the_standbys_command_does_not_hide_that_of_an_image_server(tmp_path: Path) -> None:
    assert "usr/local/sbin/haoscar-pxe" in changes(tree(tmp_path / "a", HEAD))
    server = {**HEAD, "usr/local/bin/haoscar-pxe": ""}
    listed = changes(tree(tmp_path / "b", server))
    assert "usr/local/sbin/haoscar-pxe" not in listed
    assert "usr/local/sbin/haoscar-pxe-standby" in listed


def test_a_tree_without_disks_is_given_fstab_and_grubs_menu(tmp_path: Path) -> None:
    files = tree(tmp_path, {**HEAD, "boot/initrd.img-6.1.0-9-amd64": "x"})
    listed = {c.path.decode(): c for c in identity(NODE, files, layout(is_default=True), Site())}
    assert "UUID=d0d0" in text(listed["etc/fstab"])
    menu = text(listed["boot/grub/grub.cfg"])
    assert "linux /boot/vmlinuz-6.1.0-9-amd64 root=UUID=d0d0" in menu
    assert "initrd /boot/initrd.img-6.1.0-9-amd64" in menu


def test_a_machine_id_that_dbus_keeps_apart_is_changed_too(tmp_path: Path) -> None:
    files = tree(tmp_path, {**HEAD, "var/lib/dbus/machine-id": BASE["etc/machine-id"]})
    listed = changes(files)
    assert text(listed["var/lib/dbus/machine-id"]) == f"{NODE.machine_id}\n"
    assert text(listed["etc/machine-id"]) == f"{NODE.machine_id}\n"


def test_an_image_whose_addresses_cannot_be_found_is_refused(tmp_path: Path) -> None:
    wicked = {"etc/sysconfig/network/ifcfg-eth0": "IPADDR='10.77.0.10/24'\n"}
    with pytest.raises(BootError, match="primary configures its network in no way") as refused:
        changes(tree(tmp_path, {**BASE, **wicked}))
    assert "[[identity]]" in refused.value.hint


def test_names_tied_to_the_primarys_cards_are_removed(tmp_path: Path) -> None:
    path = "etc/udev/rules.d/70-persistent-net.rules"
    listed = changes(tree(tmp_path, {**HEAD, path: 'ATTR{address}=="aa", NAME="eth0"\n'}))
    assert listed[path].content is None


def test_the_sites_own_files_are_rendered_with_the_node(tmp_path: Path) -> None:
    templates = tmp_path / "templates"
    (templates / "site").mkdir(parents=True)
    (templates / "site" / "mailname").write_text("{{ node.name }}.{{ domain }}\n")
    rules = (IdentityRule("/etc/mailname", "site/mailname", "its own mail name"),)
    site = Site(domain="example", rules=rules, templates=templates)
    listed = changes(tree(tmp_path / "root", BASE), site=site)
    assert text(listed["etc/mailname"]) == "standby.example\n"
    assert listed["etc/mailname"].reason == "its own mail name"


def test_the_sites_gateway_is_the_standbys_where_it_declares_none(tmp_path: Path) -> None:
    lan, public = interface("52:54:00:00:00:20", "10.77.0.20/24"), "52:54:00:00:00:21"
    files = tree(tmp_path, {**BASE, **STYLES["ifupdown"]})

    def routes(*interfaces: Interface) -> list[str]:
        node = new_node("standby", role="standby", image="primary", interfaces=interfaces)
        listed = changes(files, node, Site(gateway="10.77.0.1"))
        lines = text(listed["etc/network/interfaces"]).splitlines()
        return [line.strip() for line in lines if "gateway" in line]

    assert routes(lan) == ["gateway 10.77.0.1"]
    # One default route for a machine: the public interface has it.
    out = interface(public, "192.0.2.20/24", "192.0.2.1")
    assert routes(lan, out) == ["gateway 192.0.2.1"]
    assert routes(interface(public, "192.0.2.20/24")) == []


def test_every_difference_has_a_reason_and_one_entry(tmp_path: Path) -> None:
    listed = identity(NODE, tree(tmp_path, {**BASE, **STYLES["ifupdown"]}), layout(), Site())
    paths = [change.path for change in listed]
    assert paths == sorted(set(paths))
    assert all(change.reason for change in listed)
