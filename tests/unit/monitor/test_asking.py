"""A head's patience in asking for the lease, and which epoch it asks with."""

from __future__ import annotations

from haoscar_pxe.monitor.asking import OVERTAKING_NS, Asking
from haoscar_pxe.monitor.lease import Answer, Member, Terms

TERMS = Terms(lease_ns=500, margin_ns=50)


def test_it_asks_above_all_that_is_known() -> None:
    asking = Asking(7, TERMS, 0)
    asking.begin(9, 100)
    assert asking.is_on
    assert asking.holder.epoch == 10


def test_it_asks_for_nothing_before_it_begins() -> None:
    assert not Asking(7, TERMS, 0).is_on


def test_a_majority_moves_the_door_and_a_single_grant_does_not() -> None:
    asking = Asking(0, TERMS, 0)
    asking.begin(0, 100)
    assert not asking.answered(Member.PRIMARY, Answer(1, 100, True, 1, None), 110)
    assert asking.answered(Member.WITNESS, Answer(1, 100, True, 1, None), 120)
    assert asking.holder.door_until == 600


def test_asking_is_in_vain_only_after_a_whole_lease_and_its_margin() -> None:
    asking = Asking(0, TERMS, 0)
    asking.begin(0, 100)
    assert not asking.is_in_vain(650)
    assert asking.is_in_vain(651)
    asking.has_succeeded(651)
    assert not asking.is_in_vain(1201)


def test_a_shut_door_overtakes_at_once_and_an_open_one_waits() -> None:
    asking = Asking(0, TERMS, 0)
    asking.begin(0, 100)
    assert not asking.overtake(5, 100, 200, is_open=True)
    assert not asking.overtake(5, 100, 199 + OVERTAKING_NS, is_open=True)
    assert asking.overtake(5, 100, 200 + OVERTAKING_NS, is_open=True)
    assert asking.holder.epoch == 6
    assert asking.overtake(8, 100, 200, is_open=False)
    assert asking.holder.epoch == 9


def test_no_epoch_is_used_beyond_what_is_durable() -> None:
    asking = Asking(0, TERMS, 0)
    asking.begin(0, 100)
    assert not asking.overtake(5, 5, 200, is_open=False)
    assert asking.holder.epoch == 1


def test_stopping_gives_back_what_was_asked_for() -> None:
    asking = Asking(0, TERMS, 0)
    asking.begin(3, 100)
    assert asking.stop().epoch == 4
    assert not asking.is_on
