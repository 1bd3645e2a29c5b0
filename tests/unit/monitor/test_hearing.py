"""What the words of two peers say together, and for how long they count."""

from __future__ import annotations

from haoscar_pxe.monitor.hearing import FRESH_BEATS, Hearing
from haoscar_pxe.monitor.lease import Member, Tenures, Terms
from haoscar_pxe.monitor.reports import Settings
from haoscar_pxe.wire.heartbeat import Content, Flag, Kind

BEAT_NS = 10
NETWORK = ("192.0.2.1", "192.0.2.2", "192.0.2.3")


def hearing() -> Hearing:
    """The standby's."""
    settings = Settings(Member.STANDBY, Terms(), (NETWORK,), 1, bytes(32), 0, Tenures(), guard=None)
    return Hearing(settings, BEAT_NS, lambda: bytes(8))


def test_a_member_hears_the_two_others() -> None:
    assert hearing().members == (Member.PRIMARY, Member.WITNESS)


def test_a_word_counts_for_four_heartbeats() -> None:
    heard = hearing()
    heard.of(Member.PRIMARY).said(Content(Kind.HELLO, Flag.ACTIVE, promised=7), 100)
    assert heard.says_taken(100 + FRESH_BEATS * BEAT_NS)
    assert not heard.says_taken(101 + FRESH_BEATS * BEAT_NS)
    assert heard.highest == 7


def test_one_grant_to_the_other_head_takes_the_lease_and_two_beat_the_asker() -> None:
    heard = hearing()
    heard.of(Member.PRIMARY).said(Content(Kind.HELLO, holder=Member.PRIMARY), 100)
    assert heard.says_taken(100)
    assert not heard.says_beaten(100)
    heard.of(Member.WITNESS).said(Content(Kind.HELLO, holder=Member.PRIMARY), 100)
    assert heard.says_beaten(100)


def test_grants_to_the_asker_itself_do_not_beat_it() -> None:
    heard = hearing()
    for peer in heard.members:
        heard.of(peer).said(Content(Kind.HELLO, holder=Member.STANDBY), 100)
    assert not heard.says_beaten(100)


def test_a_new_tenure_says_what_became_of_the_other_head() -> None:
    heard = hearing()
    assert heard.why_free(0) == "nobody had the lease, and the primary is not heard"
    heard.of(Member.PRIMARY).said(Content(Kind.HELLO), 0)
    assert heard.why_free(1).startswith("the primary is there and does not have the lease")
    silent = "the primary is silent since 1.00 s; a majority granted the lease"
    assert heard.why_free(1_000_000_000) == silent
