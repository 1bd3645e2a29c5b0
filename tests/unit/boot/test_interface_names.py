"""The script that gives cards their names, run with an `ip` that moves folders instead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from haoscar_pxe.boot.identity import Site, identity
from haoscar_pxe.boot.interface_names import SCRIPT
from haoscar_pxe.command import run
from haoscar_pxe.errors import CommandError
from haoscar_pxe.nodes.declare import interface, new_node
from tests.unit.boot.folder_files import tree
from tests.unit.boot.test_identity import HEAD, layout

LAN, PUBLIC, OTHER = "52:54:00:00:00:20", "52:54:00:00:00:21", "52:54:00:00:00:99"
NODE = new_node(
    "standby",
    role="standby",
    image="primary",
    interfaces=(
        interface(LAN, "10.77.0.20/24", name="ens6"),
        interface(PUBLIC, "192.0.2.20/24", name="ens3"),
    ),
)
IP = """#!/bin/sh
case "$*" in
"link set dev "*" down") [ -e {net}/$4 ] ;;
"link set dev "*" name "*) [ ! -e {net}/$6 ] && mv {net}/$4 {net}/$6 ;;
*) exit 1 ;;
esac
"""


def files(root: Path, *, has_systemd: bool = True) -> dict[str, str]:
    systemd = {"usr/lib/systemd/systemd": ""} if has_systemd else {}
    changes = identity(NODE, tree(root, {**HEAD, **systemd}), layout(), Site())
    return {each.path.decode(): (each.content or b"").decode() for each in changes}


def named(folder: Path, cards: dict[str, str]) -> dict[str, str]:
    """Which card has which name after the script ran; cards: name -> MAC before."""
    net = folder / "net"
    for index, (name, mac) in enumerate(cards.items()):
        (net / name / "device").mkdir(parents=True)
        (net / name / "address").write_text(f"{mac}\n")
        (net / name / "ifindex").write_text(f"{index + 2}\n")
    for program, text in {"ip": IP.format(net=net), "udevadm": "", "sleep": ""}.items():
        (folder / program).write_text(text or "#!/bin/sh\n")
        (folder / program).chmod(0o755)
    text = files(folder / "image")[SCRIPT.decode()].replace("/sys/class/net", str(net))
    (folder / "names").write_text(text)
    path = f"PATH={folder}:{os.environ['PATH']}"
    run(["env", path, "sh", str(folder / "names")])
    return {(path / "address").read_text().strip(): path.name for path in net.iterdir()}


def test_two_cards_swap_their_names(tmp_path: Path) -> None:
    swapped = named(tmp_path, {"ens3": LAN, "ens6": PUBLIC})
    assert swapped == {LAN: "ens6", PUBLIC: "ens3"}


def test_a_card_that_nobody_declared_gives_its_name_away(tmp_path: Path) -> None:
    after = named(tmp_path, {"ens6": OTHER, "ens7": LAN, "ens3": PUBLIC})
    assert after == {LAN: "ens6", PUBLIC: "ens3", OTHER: "other2"}


def test_right_names_stay_and_the_script_may_run_again(tmp_path: Path) -> None:
    right = {"ens6": LAN, "ens3": PUBLIC, "eno9": OTHER}
    assert named(tmp_path, right) == {mac: name for name, mac in right.items()}


def test_a_missing_card_is_told_and_the_others_get_their_names(tmp_path: Path) -> None:
    with pytest.raises(CommandError):
        named(tmp_path, {"eth0": PUBLIC})
    assert (tmp_path / "net" / "ens3").is_dir()


def test_an_image_without_systemd_gets_none_of_it(tmp_path: Path) -> None:
    assert SCRIPT.decode() in files(tmp_path / "with")
    without = files(tmp_path / "without", has_systemd=False)
    assert not any("interface-names" in path for path in without)
