"""What status says would happen next."""

from __future__ import annotations

from dataclasses import replace

from haoscar_pxe.monitor.lease import Member
from haoscar_pxe.monitor.reports import PeerReport
from haoscar_pxe.monitor.standing import if_active_died

PRIMARY = PeerReport(Member.PRIMARY, True, (5,), is_active=True, is_fit=True, is_willing=True)
STANDBY = PeerReport(Member.STANDBY, True, (5,), is_fit=True, is_willing=True)
WITNESS = PeerReport(Member.WITNESS, True, (5,))


def test_with_all_three_the_other_head_would_take_over() -> None:
    for me, peers in (
        (Member.PRIMARY, (STANDBY, WITNESS)),
        (Member.STANDBY, (PRIMARY, WITNESS)),
        (Member.WITNESS, (PRIMARY, STANDBY)),
    ):
        assert if_active_died(me, Member.PRIMARY, "", peers) == (
            True,
            "the standby would take over",
        )


def test_without_the_witness_nobody_would() -> None:
    silent = replace(WITNESS, is_fresh=False)
    said = if_active_died(Member.PRIMARY, Member.PRIMARY, "", (STANDBY, silent))
    assert said == (False, "nobody would take over: the witness is not heard")


def test_an_unwilling_standby_is_named_with_its_reason_where_that_is_known() -> None:
    said = if_active_died(Member.STANDBY, Member.PRIMARY, "in maintenance", (PRIMARY, WITNESS))
    assert said == (False, "the standby would not take over: in maintenance")
    unwilling = replace(STANDBY, is_willing=False)
    said = if_active_died(Member.WITNESS, Member.PRIMARY, "", (PRIMARY, unwilling))
    assert said == (False, "the standby would not take over: it does not want the lease")


def test_where_nobody_is_active_there_is_nothing_to_take_over() -> None:
    said = if_active_died(Member.WITNESS, None, "", (PRIMARY, STANDBY))
    assert said == (False, "nobody is active")
