"""When a head wants the lease, and when it may be moved away from it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from haoscar_pxe.monitor.lease import Member, Tenures
from haoscar_pxe.monitor.past import Past
from haoscar_pxe.monitor.policy import Circumstances, may_write, unwilling, why_not_move
from haoscar_pxe.monitor.reports import PeerReport

WELL = PeerReport(Member.STANDBY, True, (5,), is_fit=True, is_willing=True, is_stopped=True)
ACTIVE = Circumstances(is_active=True, past=Past("primary", Tenures(primary=7)), other=WELL)
PASSIVE = Circumstances(is_active=False, past=Past("primary"), other=WELL)


def test_nothing_speaks_against_a_head_that_is_well() -> None:
    assert unwilling(ACTIVE) == unwilling(PASSIVE) == ""


def test_a_passive_head_without_carrier_takes_nothing() -> None:
    assert unwilling(replace(PASSIVE, down=("eth0",))) == "no carrier on eth0"


def test_an_active_head_without_carrier_gives_way_to_one_that_is_well() -> None:
    assert unwilling(replace(ACTIVE, down=("eth0",))) == "no carrier on eth0"


@pytest.mark.parametrize(
    "other",
    [
        None,
        replace(WELL, is_fresh=False),
        replace(WELL, is_fit=False),
        replace(WELL, is_willing=False),
    ],
)
def test_an_active_head_without_carrier_stays_where_nobody_can_do_better(
    other: PeerReport | None,
) -> None:
    assert unwilling(replace(ACTIVE, down=("eth0",), other=other)) == ""


def test_a_head_that_was_replaced_waits_for_the_administrator() -> None:
    past = Past("primary", Tenures(7, 9))
    assert "was replaced" in unwilling(replace(PASSIVE, past=past))
    assert unwilling(replace(PASSIVE, past=past, rejoins=True)) == ""
    assert unwilling(replace(PASSIVE, past=replace(past, settled=9))) == ""


def test_a_head_that_came_back_by_itself_too_often_waits_for_the_administrator() -> None:
    back = replace(PASSIVE, past=Past("primary", Tenures(7, 9)), rejoins=True, rejoin_limit=3)
    assert unwilling(replace(back, rejoined=2)) == ""
    assert "came back by itself 3 times of late" in unwilling(replace(back, rejoined=3))
    assert replace(back, rejoined=3).waits
    assert not replace(back, rejoined=3, rejoin_limit=0).waits
    assert unwilling(replace(back, rejoined=3, past=Past("primary"))) == ""


@pytest.mark.parametrize(
    ("heard_ms", "waits"),
    [((5,), True), ((9_999,), True), ((10_000, 5), True), ((10_000, -1), False), ((-1,), False)],
)
def test_a_head_that_came_back_too_often_serves_once_the_other_is_dead(
    heard_ms: tuple[int, ...], waits: bool
) -> None:
    other = replace(WELL, is_fresh=False, heard_ms=heard_ms)
    past = Past("primary", Tenures(7, 9))
    back = replace(PASSIVE, past=past, rejoins=True, rejoin_limit=3, rejoined=3, other=other)
    assert back.waits == bool(unwilling(back)) == waits
    assert replace(back, rejoins=False).waits
    assert replace(back, other=None).waits, "its keeper said nothing yet"


def test_a_head_that_is_replaced_again_after_it_was_settled_waits_again() -> None:
    past = Past("primary", Tenures(11, 12), settled=9)
    assert "was replaced" in unwilling(replace(PASSIVE, past=past))


def test_a_standby_was_not_replaced_by_a_primary_that_is_active_for_the_first_time() -> None:
    assert unwilling(replace(PASSIVE, past=Past("standby", Tenures(9, 0)))) == ""


def test_a_generation_that_is_too_old_keeps_a_standby_out_but_not_one_that_serves() -> None:
    old = replace(PASSIVE, age_s=100.0, oldest_s=60)
    assert unwilling(old) == "its generation is 100 s old, more than 60 s"
    assert unwilling(replace(old, oldest_s=0)) == ""
    assert unwilling(replace(old, is_active=True)) == ""


def test_maintenance_keeps_a_head_out() -> None:
    past = Past("primary", maintenance="a new disk")
    assert unwilling(replace(PASSIVE, past=past)) == "in maintenance: a new disk"


def test_a_move_is_refused_where_nobody_would_take_over() -> None:
    assert why_not_move(ACTIVE) == ""
    assert "not the active one" in why_not_move(PASSIVE)
    assert "not heard" in why_not_move(replace(ACTIVE, other=None))
    assert "interfaces" in why_not_move(replace(ACTIVE, other=replace(WELL, is_fit=False)))
    assert "want" in why_not_move(replace(ACTIVE, other=replace(WELL, is_willing=False)))


def test_shared_data_is_written_only_after_the_other_ones_word_or_a_fence_in_this_tenure() -> None:
    assert may_write(stopped_by_other=True, fenced_epoch=0, epoch=5)
    assert may_write(stopped_by_other=False, fenced_epoch=5, epoch=5)
    assert not may_write(stopped_by_other=False, fenced_epoch=4, epoch=5)
