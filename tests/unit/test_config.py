"""The configuration file: every key round-trips, every problem is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.config import (
    CaptureConfig,
    Config,
    HeadConfig,
    IdentityRule,
    InstallConfig,
    Paths,
    ServeConfig,
    load,
    parse,
)
from haoscar_pxe.config_twin import TwinConfig
from haoscar_pxe.errors import ConfigError
from haoscar_pxe.image.retention import RetentionPolicy

FULL = Config(
    paths=Paths("/srv/images", "/srv/state", "/srv/keys", "/srv/templates"),
    serve=ServeConfig(
        interface="eth1",
        address="192.0.2.1/25",
        http_port=8080,
        dhcp=False,
        tftp=False,
        gateway="192.0.2.126",
        dns=("192.0.2.2", "192.0.2.3"),
        domain="cluster.example",
        lease_s=600,
        pool=("192.0.2.100", "192.0.2.110"),
        router_advertisement=True,
    ),
    install=InstallConfig(shell_on_failure=True, after="poweroff", patience_s=60),
    capture=CaptureConfig(("/scratch", "/data"), snapshots="require", snapshot_percent=35),
    retention=RetentionPolicy(keep_last=1, keep_daily=0, keep_weekly=9, keep_monthly=99),
    head=(
        HeadConfig(
            image="primary",
            host="root@192.0.2.9",
            ssh_options=("Port=2222",),
            remote_folder="/opt/agent",
            before=(("systemctl", "stop", "slurmdbd"), ("say", 'it\'s "<so>" & ä')),
            after=(("systemctl", "start", "slurmdbd"),),
        ),
        HeadConfig(image="login"),
    ),
    twin=TwinConfig("http://192.0.2.3:8080", "/etc/haoscar-pxe/twin.token"),
    identity=(IdentityRule("/etc/mailname", "site/mailname", "own mail name"),),
)


@pytest.mark.parametrize("config", [Config(), FULL], ids=["defaults", "everything set"])
def test_the_rendered_file_reads_back_as_the_same_value(config: Config) -> None:
    assert parse(config.render(), "test", Path("/")) == config


def test_every_problem_is_reported_not_only_the_first() -> None:
    text = """
        [serve]
        address = "10.77.0.1/24"
        http_port = "eighty"
        gateway = "nowhere"
        colour = "blue"
        [boot]
    """
    with pytest.raises(ConfigError) as caught:
        parse(text, "site.toml", Path("/"))
    message = str(caught.value)
    for part in ("site.toml has 3 problem(s)", "serve.http_port", "serve.colour", "[boot]"):
        assert part in message


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('address = "10.77.0.1"', "no prefix length"),
        ('address = "ten"', "serve.address"),
        ('dns = ["a.b"]', "serve.dns: 'a.b'"),
        ('pool = ["10.77.0.9"]', "first and the last"),
        ('proxy_dhcp = true\npool = ["10.77.0.9", "10.77.0.10"]', "a proxy gives no addresses"),
        ('pool = ["10.77.0.9", "10.78.0.9"]', "not all of it is in 10.77.0.0/24"),
        ("lease_s = 5", "below a minute"),
        ("http_port = 70000", "no port"),
    ],
)
def test_a_wrong_value_is_named(line: str, said: str) -> None:
    with pytest.raises(ConfigError, match="problem") as caught:
        parse(f"[serve]\n{line}\n", "test", Path("/"))
    assert said in str(caught.value)


def test_a_missing_file_says_what_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "none.toml")
    assert "haoscar-pxe init" in caught.value.hint


def test_relative_paths_start_at_the_configurations_folder(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('[paths]\nrepository = "images"\n')
    assert load(tmp_path / "site.toml").paths.repository == str(tmp_path / "images")


def test_every_problem_of_a_head_is_reported() -> None:
    text = """
        [[head]]
        image = "a/b"
        host = "-oProxyCommand=sh"
        remote_folder = "tmp"
        before = [[]]
        [[head]]
        image = "primary"
        [[head]]
        image = "primary"
    """
    with pytest.raises(ConfigError) as caught:
        parse(text, "site.toml", Path("/"))
    message = str(caught.value)
    for part in ("5 problem(s)", "'primary' is there twice", "no image's name", "is no host"):
        assert part in message
    with pytest.raises(ConfigError, match=r"\[\[head\]\]: colour is not a setting"):
        parse('[[head]]\nimage = "primary"\ncolour = "blue"', "site.toml", Path("/"))


def test_head_of_an_image_is_found_by_its_name() -> None:
    assert FULL.head_of("primary").host == "root@192.0.2.9"
    assert Config().head_of("primary") == HeadConfig("primary")


def test_a_negative_number_of_generations_is_named() -> None:
    with pytest.raises(ConfigError, match=r"retention.keep_daily: -1 is below 0"):
        parse("[retention]\nkeep_daily = -1\n", "test", Path("/"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("snapshot_percent = 0", "0 is not between 1 and 100"),
        ('snapshots = "always"', "capture.snapshots"),
    ],
)
def test_a_wrong_wish_for_snapshots_is_named(line: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f"[capture]\n{line}\n", "test", Path("/"))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("second = true", "second to whom"),
        ('url = "http://10.77.0.2:8069"', "wants a token"),
        ('url = "http://head2:8069"\ntoken_file = "t"', "is not as http"),
        ('url = "http://10.77.0.2:99999"\ntoken_file = "t"', "is not as http"),
        ('url = "10.77.0.2"\ntoken_file = "t"', "is not as http"),
        ('url = "http://10.77.0.1:8069/"\ntoken_file = "t"', "this server itself"),
    ],
)
def test_a_twin_that_cannot_be_is_named(lines: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f"[twin]\n{lines}\n", "test", Path("/"))
    assert said in str(caught.value)


def test_only_the_first_server_gives_addresses_to_strangers() -> None:
    text = (
        '[serve]\npool = ["10.77.0.100", "10.77.0.110"]\n'
        '[twin]\nurl = "http://10.77.0.2:8069"\ntoken_file = "t"\nsecond = true\n'
    )
    with pytest.raises(ConfigError, match="first server alone"):
        parse(text, "test", Path("/"))
