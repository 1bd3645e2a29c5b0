"""A standby is asked for what its image has enabled, and for no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.nodes.declare import interface, new_node
from haoscar_pxe.nodes.order import IdentityChange
from haoscar_pxe.rehearse.expectations import expected_probes
from haoscar_pxe.rehearse.probe import Arp, Login, Page, Ping, Ssh
from tests.unit.boot.folder_files import tree

WANTS = "etc/systemd/system/multi-user.target.wants"
NODE = new_node(
    "standby.cluster.example",
    role="standby",
    image="primary",
    interfaces=(interface("52:54:00:00:00:20", "10.77.0.20/24"),),
)
AT_LEAST = (Arp("10.77.0.20", "52:54:00:00:00:20"), Ping("10.77.0.20"))


def grub(config: bytes) -> IdentityChange:
    return IdentityChange(path=b"boot/grub/grub.cfg", content=config, reason="a menu")


def test_every_standby_must_hold_its_address(tmp_path: Path) -> None:
    assert expected_probes(NODE, tree(tmp_path, {"etc/hostname": "primary"}), ()) == AT_LEAST


@pytest.mark.parametrize("unit", ["ssh.service", "sshd.service"])
def test_an_enabled_sshd_must_greet(tmp_path: Path, unit: str) -> None:
    probes = expected_probes(NODE, tree(tmp_path, {f"{WANTS}/{unit}": ""}), ())
    assert probes == (*AT_LEAST, Ssh("10.77.0.20"))


@pytest.mark.parametrize(
    ("unit", "config", "line"),
    [
        ("nginx.service", "etc/nginx/sites-enabled/default", "server {\n\tlisten 80 default;"),
        ("nginx.service", "etc/nginx/nginx.conf", "  listen [::]:80;"),
        ("apache2.service", "etc/apache2/ports.conf", "Listen 80\n"),
        ("httpd.service", "etc/httpd/conf/httpd.conf", "#Listen 12.34.56.78:80\nListen 80\n"),
    ],
)
def test_an_enabled_web_server_on_port_80_must_answer(
    tmp_path: Path, unit: str, config: str, line: str
) -> None:
    probes = expected_probes(NODE, tree(tmp_path, {f"{WANTS}/{unit}": "", config: line}), ())
    assert probes == (*AT_LEAST, Page("10.77.0.20"))


@pytest.mark.parametrize("line", ["listen 8080;", "listen 443 ssl;", "# listen 80;"])
def test_a_web_server_elsewhere_is_not_asked(tmp_path: Path, line: str) -> None:
    files = {f"{WANTS}/nginx.service": "", "etc/nginx/sites-enabled/default": line}
    assert expected_probes(NODE, tree(tmp_path, files), ()) == AT_LEAST


def test_a_disabled_web_server_is_not_asked(tmp_path: Path) -> None:
    files = tree(tmp_path, {"etc/nginx/sites-enabled/default": "listen 80;"})
    assert expected_probes(NODE, files, ()) == AT_LEAST


def test_a_serial_console_must_say_the_standbys_name(tmp_path: Path) -> None:
    unit = "etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service"
    probes = expected_probes(NODE, tree(tmp_path, {unit: ""}), ())
    assert probes == (Login("standby"), *AT_LEAST)


def test_a_declared_boot_menu_counts_more_than_the_images(tmp_path: Path) -> None:
    files = tree(tmp_path, {"boot/grub/grub.cfg": "linux /vmlinuz console=ttyS0"})
    assert Login("standby") in expected_probes(NODE, files, ())
    assert expected_probes(NODE, files, [grub(b"linux /vmlinuz quiet")]) == AT_LEAST
    assert Login("standby") in expected_probes(NODE, files, [grub(b"linux console=ttyS0,115200")])
