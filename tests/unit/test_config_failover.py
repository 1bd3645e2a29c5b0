"""Numbers of the failover section that make no sense are refused, all of them at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.config_failover import FailoverConfig, failover_problems, read_failover
from haoscar_pxe.errors import ConfigError


def test_every_number_that_is_too_low_is_named_with_its_least_value() -> None:
    wrong = FailoverConfig(
        oldest_s=-1, rejoin_limit=-1, rejoin_window_s=0, failback_after_s=0, fence_timeout_s=0
    )
    assert failover_problems(wrong) == [
        "failover.oldest_s: -1 is below 0",
        "failover.rejoin_limit: -1 is below 0",
        "failover.rejoin_window_s: 0 is below 1",
        "failover.failback_after_s: 0 is below 1",
        "failover.fence_timeout_s: 0 is below 1",
    ]


def test_the_defaults_are_right_and_hand_nothing_over_by_themselves() -> None:
    assert failover_problems(FailoverConfig()) == []
    assert (FailoverConfig().rejoin, FailoverConfig().failback) == ("manual", "manual")


@pytest.mark.parametrize("wrong", ["", "a b", "ops@example.org\nBcc: all", "x@", '"x"@y'])
def test_only_plain_mail_addresses_are_taken(wrong: str) -> None:
    (problem,) = failover_problems(FailoverConfig(mail=("root", "ops@example.org", wrong)))
    assert problem == f"failover.mail: '{wrong}' is no mail address"


def test_failback_is_by_hand_or_by_itself_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "haoscar-pxe.toml"
    path.write_text('[failover]\nfailback = "automatic"\nfailback_after_s = 60\n')
    assert read_failover(path).failback == "automatic"
    path.write_text('[failover]\nfailback = "often"\n')
    with pytest.raises(ConfigError):
        read_failover(path)
