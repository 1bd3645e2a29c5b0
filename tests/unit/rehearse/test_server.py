"""The rehearsal's server reads the site's images and keys, and writes to its own folder."""

from __future__ import annotations

from ipaddress import IPv4Interface
from pathlib import Path

from haoscar_pxe.config import Config, IdentityRule, Paths, ServeConfig, parse
from haoscar_pxe.rehearse.network import BRIDGE, Network
from haoscar_pxe.rehearse.server import rehearsal_config
from tests.unit.rehearse.recorded import RecordedRun

SITE = Config(
    paths=Paths(repository="/srv/images", state="/var/lib/x", keys="/etc/k", templates="/etc/t"),
    serve=ServeConfig(
        interface="eth1", address="10.1.0.1/16", http_port=80, domain="cluster.example",
        gateway="10.1.0.254", pool=("10.1.9.1", "10.1.9.9"), dns=("10.1.0.53",),
    ),
    identity=(IdentityRule("/etc/mailname", "site/mailname", "its own name"),),
)  # fmt: skip
NETWORK = Network("hx-1-1", IPv4Interface("10.1.0.1/16"), RecordedRun())


def test_only_the_state_is_its_own(tmp_path: Path) -> None:
    config = rehearsal_config(SITE, NETWORK, tmp_path)
    assert config.paths.repository == "/srv/images"
    assert config.paths.keys == "/etc/k"
    assert config.paths.state == str(tmp_path / "state")
    assert config.paths.registry.is_relative_to(tmp_path)


def test_what_nodes_are_told_is_what_the_site_tells_them(tmp_path: Path) -> None:
    config = rehearsal_config(SITE, NETWORK, tmp_path)
    assert (config.serve.interface, config.serve.address) == (BRIDGE, "10.1.0.1/16")
    for name in ("http_port", "dns", "domain", "gateway", "lease_s"):
        assert getattr(config.serve, name) == getattr(SITE.serve, name)
    assert config.identity == SITE.identity
    assert config.paths.templates == "/etc/t"


def test_strangers_get_no_address_in_a_rehearsal(tmp_path: Path) -> None:
    assert rehearsal_config(SITE, NETWORK, tmp_path).serve.pool == ()


def test_a_machine_of_a_rehearsal_always_restarts(tmp_path: Path) -> None:
    config = rehearsal_config(SITE, NETWORK, tmp_path)
    assert parse(config.render(), "test", tmp_path).install.after == "reboot"
