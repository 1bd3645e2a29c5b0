"""`boot explain` tells what would be sent, and changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from haoscar_pxe.boot.firmware_files import FIRMWARE_FILES
from tests.needed import need_files
from tests.unit.cli.site_folder import call, make

MAC = "52:54:00:00:00:20"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A site with an armed node. Its boot programs are in pxelinux and syslinux-common."""
    need_files(*(file.candidates for file in FIRMWARE_FILES))
    path = make(tmp_path)
    call(path, "node", "add", "standby", "--mac", MAC, "--address", "10.77.0.20/24")
    return path


def test_an_armed_node_is_explained_down_to_the_rendered_files(config: Path) -> None:
    output = call(config, "boot", "explain", MAC).output
    for part in (
        "install, because standby is armed",
        "10.77.0.20/24",
        "lpxelinux.0 from 10.77.0.1",
        "pxelinux.cfg/01-52-54-00-00-00-20",
        "KERNEL http://10.77.0.1:8069/boot/primary/1/vmlinuz",
        "/etc/network/interfaces: ifupdown: eno1 has 10.77.0.20/24",
        "/etc/machine-id",
    ):
        assert part in output


def test_explaining_shows_no_token_and_changes_nothing(config: Path) -> None:
    before = call(config, "node", "show", "standby", "--json").output
    document = json.loads(call(config, "boot", "explain", MAC, "--json").output)
    assert document["boot"] == "install"
    assert document["order"]["token"] == "(hidden)"
    assert call(config, "node", "show", "standby", "--json").output == before


def test_a_stranger_is_explained_too(config: Path) -> None:
    output = call(config, "boot", "explain", "52:54:00:00:00:99").output
    assert "menu, because no node has the MAC 52:54:00:00:00:99" in output
    assert "no answer, because" in output


def test_an_installed_node_boots_its_own_disk(config: Path) -> None:
    call(config, "node", "set", "standby", "--installed")
    assert "local disk, because standby is installed" in call(config, "boot", "explain", MAC).output
