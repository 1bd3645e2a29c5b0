"""Whether a head asks for the lease."""

from __future__ import annotations

from dataclasses import replace

import pytest

from haoscar_pxe.monitor.candidate import DEFERENCE_NS, Standing, Word, verdict
from haoscar_pxe.monitor.lease import Member

NOBODY = Word(holder=None, is_active=False, is_fit=True, is_willing=True)
FREE = Standing(
    me=Member.STANDBY,
    unwilling="",
    resting_until=0,
    quiet_until=0,
    own_holder=None,
    words={Member.WITNESS: NOBODY},
    free_since=1000,
)


def test_a_head_asks_when_nobody_has_the_lease() -> None:
    assert verdict(FREE, 1000).asks


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"unwilling": "in maintenance"}, "in maintenance"),
        ({"quiet_until": 2000}, "silent for one lease"),
        ({"resting_until": 2000}, "gave the lease back"),
        ({"own_holder": Member.PRIMARY}, "the primary has the lease"),
        ({"words": {}}, "hears neither"),
        ({"words": {Member.WITNESS: replace(NOBODY, holder=Member.PRIMARY)}}, "witness says"),
        ({"words": {Member.PRIMARY: replace(NOBODY, is_active=True)}}, "it is active"),
    ],
)
def test_it_does_not_ask_and_says_why(change: dict[str, object], reason: str) -> None:
    found = verdict(replace(FREE, **change), 1000)  # type: ignore[arg-type]
    assert not found.asks
    assert reason in found.reason


def test_the_standby_leaves_the_lease_for_a_while_to_a_primary_that_could_have_it() -> None:
    both = replace(FREE, words={Member.WITNESS: NOBODY, Member.PRIMARY: NOBODY})
    assert "leaves it to the primary" in verdict(both, 1000 + DEFERENCE_NS - 1).reason
    assert verdict(both, 1000 + DEFERENCE_NS).asks


@pytest.mark.parametrize(
    "primary", [replace(NOBODY, is_fit=False), replace(NOBODY, is_willing=False)]
)
def test_it_does_not_wait_for_a_primary_that_could_not(primary: Word) -> None:
    words = {Member.WITNESS: NOBODY, Member.PRIMARY: primary}
    assert verdict(replace(FREE, words=words), 1000).asks


def test_the_primary_waits_for_nobody() -> None:
    words = {Member.WITNESS: NOBODY, Member.STANDBY: NOBODY}
    assert verdict(replace(FREE, me=Member.PRIMARY, words=words), 1000).asks
