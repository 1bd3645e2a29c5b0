"""Only a process that lives now is believed, and each of its datagrams once."""

from __future__ import annotations

import random
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.wire.heartbeat import Content, Heartbeat, Kind
from haoscar_pxe.wire.heartbeat_session import Session

_numbers = count(1)


def fresh_token() -> bytes:
    return next(_numbers).to_bytes(8, "big")


def started(member: int, peer: int) -> Session:
    """A session of a process that has just begun."""
    return Session(member, peer, fresh_token(), fresh_token)


def asked(epoch: int) -> Content:
    return Content(Kind.ASK, epoch=epoch)


def introduce(one: Session, other: Session) -> None:
    """Pass datagrams to and fro until both believe."""
    for _ in range(2):
        for sayer, hearer in ((one, other), (other, one)):
            _, back = hearer.heard_beat(sayer.say(asked(0)))
            if back is not None:
                sayer.heard_beat(back)


def test_a_stranger_is_not_believed_before_it_has_sent_our_challenge_back() -> None:
    head, witness = started(0, 2), started(2, 0)
    content, back = witness.heard_beat(head.say(asked(1)))
    assert content is None
    assert back is not None
    assert back.content.kind is Kind.HELLO
    assert not witness.is_established
    head.heard_beat(back)
    content, back = witness.heard_beat(head.say(asked(2)))
    assert content == asked(2)
    assert back is None
    assert witness.is_established


def test_a_datagram_counts_once_however_many_networks_bring_it() -> None:
    head, witness = started(0, 2), started(2, 0)
    introduce(head, witness)
    beat = head.say(asked(5))
    assert witness.heard_beat(beat) == (asked(5), None)
    assert witness.heard_beat(beat) == (None, None)


def test_a_late_datagram_is_not_believed_after_a_newer_one() -> None:
    head, witness = started(0, 2), started(2, 0)
    introduce(head, witness)
    early, late = head.say(asked(5)), head.say(asked(6))
    assert witness.heard_beat(late)[0] == asked(6)
    assert witness.heard_beat(early) == (None, None)


def test_what_is_for_another_member_is_neither_believed_nor_answered() -> None:
    head, witness = started(0, 1), started(2, 0)
    assert witness.heard_beat(head.say(asked(1))) == (None, None)


def test_nothing_of_an_earlier_conversation_is_believed_after_a_restart() -> None:
    head, witness = started(0, 2), started(2, 0)
    introduce(head, witness)
    recorded = [head.say(asked(epoch)) for epoch in range(20)]
    again = started(2, 0)
    assert [again.heard_beat(beat)[0] for beat in recorded] == [None] * 20
    introduce(head, again)
    assert [again.heard_beat(beat) for beat in recorded] == [(None, None)] * 20
    assert again.heard_beat(head.say(asked(99)))[0] == asked(99)


def test_a_restarted_peer_is_believed_and_its_former_self_no_more() -> None:
    head, witness = started(0, 2), started(2, 0)
    introduce(head, witness)
    left_over = head.say(asked(7))
    again = started(0, 2)
    introduce(again, witness)
    assert witness.heard_beat(left_over)[0] is None
    assert witness.heard_beat(again.say(asked(8)))[0] == asked(8)


@given(st.integers(0, 2**32))
def test_over_a_bad_network_everything_is_believed_in_order_and_at_most_once(seed: int) -> None:
    chance = random.Random(seed)
    head, witness = started(0, 2), started(2, 0)
    air: list[tuple[Session, Heartbeat]] = []
    heard: list[int] = []
    for epoch in range(1, 60):
        air.append((witness, head.say(asked(epoch))))
        air.append((head, witness.say(asked(0))))
        for _ in range(chance.randrange(4)):
            if not air:
                break
            hearer, beat = chance.choice(air)
            if chance.random() < 0.7:
                air.remove((hearer, beat))
            content, back = hearer.heard_beat(beat)
            if back is not None:
                air.append((head if hearer is witness else witness, back))
            if hearer is witness and content is not None and content.kind is Kind.ASK:
                heard.append(content.epoch)
    assert heard == sorted(set(heard))
    introduce(head, witness)
    assert witness.heard_beat(head.say(asked(1000)))[0] == asked(1000)
    assert len(air) < 400, "no answer calls for an answer for ever"
