"""What `doctor` says about failover."""

from __future__ import annotations

from pathlib import Path

from haoscar_pxe.cli.failover_check import failover_check
from haoscar_pxe.command import run
from haoscar_pxe.config_failover import FailoverConfig, HeartbeatNetwork

HERE = HeartbeatNetwork("198.51.100.1", "198.51.100.2", "127.0.0.1")


def test_without_failover_nothing_is_said() -> None:
    assert list(failover_check(FailoverConfig(), run)) == []


def test_a_member_with_a_key_is_well(tmp_path: Path) -> None:
    key = tmp_path / "cluster.key"
    key.write_text("5a" * 32)
    key.chmod(0o600)
    (check,) = failover_check(FailoverConfig(network=(HERE,), key=str(key)), run)
    assert (check.verdict, check.found) == ("ok", f"this is the witness, and {key} a key")


def test_a_machine_that_is_no_member_or_has_no_key_is_told_what_to_type(tmp_path: Path) -> None:
    key = str(tmp_path / "cluster.key")
    (check,) = failover_check(FailoverConfig(network=(HERE,), key=key), run)
    assert check.verdict == "failed"
    assert "failover key" in check.hint
    elsewhere = HeartbeatNetwork("198.51.100.1", "198.51.100.2", "198.51.100.3")
    (check,) = failover_check(FailoverConfig(network=(elsewhere,), key=key), run)
    assert "is no member" in check.found
