"""`init` proposes what it can find out, and keeps what is there."""

from __future__ import annotations

import json
from ipaddress import IPv4Interface
from pathlib import Path

import pytest
from click.testing import CliRunner

from haoscar_pxe.cli.interfaces import LocalInterface, choose, local_interfaces
from haoscar_pxe.cli.main import program
from haoscar_pxe.command import Finished, Run
from haoscar_pxe.config import load
from haoscar_pxe.errors import ConfigError

LINKS = [
    {"ifname": "lo", "flags": ["LOOPBACK", "UP"]},
    {"ifname": "eno1", "flags": ["BROADCAST", "UP"]},
    {"ifname": "eno2", "flags": ["BROADCAST", "UP"]},
    {"ifname": "tun0", "flags": ["UP"], "linkinfo": {"info_kind": "tun"}},
]
ADDRESSES = [
    {"ifname": "lo", "addr_info": [{"family": "inet", "local": "127.0.0.1", "prefixlen": 8}]},
    {"ifname": "eno1", "addr_info": [{"family": "inet", "local": "192.0.2.7", "prefixlen": 26}]},
    {},
    {"ifname": "eno2", "addr_info": [{"family": "inet", "local": "10.1.0.1", "prefixlen": 16}]},
    {"ifname": "tun0", "addr_info": [{"family": "inet", "local": "10.0.0.1", "prefixlen": 30}]},
]
ROUTES = [{"dst": "default", "gateway": "192.0.2.1", "dev": "eno1"}]


def ip_says(links: object, addresses: object, routes: object) -> Run:
    """The output of ip(8) as it prints JSON."""

    def run(argv: object, *, stdin: bytes = b"", hint: str = "") -> Finished:
        words = list(argv) if isinstance(argv, list) else []
        what = addresses if "address" in words else routes if "route" in words else links
        return Finished(json.dumps(what).encode(), b"")

    return run


def test_the_private_interface_without_default_route_is_the_clusters() -> None:
    chosen, why = choose(local_interfaces(ip_says(LINKS, ADDRESSES, ROUTES)))
    assert chosen == LocalInterface("eno2", IPv4Interface("10.1.0.1/16"), True, False)
    assert "cluster" in why


def test_the_users_word_counts_more() -> None:
    chosen, _ = choose(local_interfaces(ip_says(LINKS, ADDRESSES, ROUTES)), "eno1")
    assert chosen.name == "eno1"
    assert chosen.has_default_route


def test_a_segment_with_ipv6_is_left_to_its_own_router() -> None:
    six = {"family": "inet6", "scope": "global", "local": "2001:db8::7", "prefixlen": 64}
    link_local = {"family": "inet6", "scope": "link", "local": "fe80::7", "prefixlen": 64}
    with_router = [{"ifname": "eno1", "addr_info": [six]}]
    without = [{"ifname": "eno1", "addr_info": [link_local]}]
    assert local_interfaces(ip_says(LINKS[:2], with_router, []))[0].has_ipv6
    assert not local_interfaces(ip_says(LINKS[:2], without, []))[0].has_ipv6


@pytest.mark.parametrize(("links", "wanted"), [(LINKS[:1], ""), (LINKS, "eth9")])
def test_no_such_interface_is_an_error_that_names_the_others(links: object, wanted: str) -> None:
    with pytest.raises(ConfigError):
        choose(local_interfaces(ip_says(links, [], [])), wanted)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a site made by `init` on this machine's loopback-free view."""
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "haoscar-pxe.toml"
    config.write_text(
        '[paths]\nrepository="images"\nstate="state"\nkeys="keys"\n'
        '[serve]\ninterface="eth1"\naddress="10.77.0.1/24"\n'
    )
    return config


def test_init_makes_repository_and_keys_and_keeps_them_the_second_time(site: Path) -> None:
    first = CliRunner().invoke(program, ["--config", str(site), "init"])
    assert first.exit_code == 0, first.output
    key = (site.parent / "keys" / "signing.key").read_bytes()
    assert (site.parent / "images" / "format").is_file()
    second = CliRunner().invoke(program, ["--config", str(site), "init"])
    assert second.exit_code == 0
    assert "kept" in second.output
    assert (site.parent / "keys" / "signing.key").read_bytes() == key
    assert load(site).serve.interface == "eth1"


def test_the_signing_key_is_its_owners_alone(site: Path) -> None:
    CliRunner().invoke(program, ["--config", str(site), "init"])
    assert (site.parent / "keys" / "signing.key").stat().st_mode & 0o077 == 0


def test_an_impossible_address_writes_nothing(tmp_path: Path) -> None:
    config = tmp_path / "new.toml"
    result = CliRunner().invoke(program, ["--config", str(config), "init", "--address", "ten"])
    assert isinstance(result.exception, ConfigError)
    assert not config.exists()
