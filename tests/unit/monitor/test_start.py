"""From the configuration to a member."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from haoscar_pxe.command import run
from haoscar_pxe.config_failover import FailoverConfig, HeartbeatNetwork
from haoscar_pxe.errors import FailoverError
from haoscar_pxe.monitor.lease import Member
from haoscar_pxe.monitor.start import read_key, surroundings, whoami

NETWORKS = (
    HeartbeatNetwork("10.77.0.10", "10.77.0.20", "10.77.0.1"),
    HeartbeatNetwork("fd00:78::10", "fd00:78::20", "fd00:78::1"),
)
CONFIG = FailoverConfig(network=NETWORKS)


@pytest.mark.parametrize(
    ("address", "member"),
    [
        ("10.77.0.10", Member.PRIMARY),
        ("fd00:78::20", Member.STANDBY),
        ("10.77.0.1", Member.WITNESS),
    ],
)
def test_a_machine_is_the_member_whose_address_it_has(address: str, member: Member) -> None:
    assert whoami(CONFIG, {ip_address(address), ip_address("127.0.0.1")}) is member


def test_a_machine_without_such_an_address_is_told_what_there_is() -> None:
    with pytest.raises(FailoverError, match=r"no member .*primary 10\.77\.0\.10"):
        whoami(CONFIG, {ip_address("10.77.0.99")})


def test_a_machine_with_two_members_addresses_is_refused() -> None:
    with pytest.raises(FailoverError, match="two members"):
        whoami(CONFIG, {ip_address("10.77.0.10"), ip_address("fd00:78::20")})


def test_without_networks_there_is_nothing_to_watch() -> None:
    with pytest.raises(FailoverError, match="no failover here"):
        whoami(FailoverConfig(), set())


def key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "cluster.key"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_key_is_64_hexadecimal_digits(tmp_path: Path) -> None:
    assert read_key(key_file(tmp_path, "5a" * 32 + "\n")) == b"\x5a" * 32


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("5a" * 32, 0o640, "others can read"),
        ("5a" * 31, 0o600, "holds 31 bytes"),
        ("not a key", 0o600, "is no key"),
    ],
)
def test_a_key_that_will_not_do_is_refused(tmp_path: Path, text: str, mode: int, why: str) -> None:
    with pytest.raises(FailoverError, match=why):
        read_key(key_file(tmp_path, text, mode))


def test_a_key_that_is_not_there_is_refused_with_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(FailoverError) as caught:
        read_key(tmp_path / "cluster.key")
    assert "failover key" in caught.value.hint


def test_a_standby_that_becomes_active_is_not_synced_until_a_person_settled_it(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "var/lib/haoscar-pxe-standby"
    folder.mkdir(parents=True)
    surroundings(tmp_path, run, tmp_path).hold(7)
    assert "(epoch 7): capture it first" in (folder / "hold").read_text()
    surroundings(tmp_path, run, tmp_path).let_go()
    assert list(folder.iterdir()) == []


def test_a_head_that_is_no_standby_needs_no_hold(tmp_path: Path) -> None:
    around = surroundings(tmp_path, run, tmp_path)
    around.hold(7)
    assert around.age() is None
    assert list(tmp_path.iterdir()) == []
