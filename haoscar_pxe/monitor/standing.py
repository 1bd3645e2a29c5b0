"""How a member and its cluster stand, as one value: what `failover status` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from haoscar_pxe.monitor.event import Event
from haoscar_pxe.monitor.lease import Member
from haoscar_pxe.monitor.past import Past
from haoscar_pxe.monitor.reports import PeerReport, Report
from haoscar_pxe.monitor.services import Services

LAST_EVENTS = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """One member's view.

    active: who is, as far as it knows; "" nobody. since_ns: of CLOCK_REALTIME, when that was first
    seen from here; 0 if nobody is. unwilling: why this head would not take over, ""
    if it would. is_covered: the other head would take over from the active one; if_active_died says
    so, or why not. age_s: of the generation that it is, None if it is no standby.
    undecodable: datagrams that were no heartbeat, or of another key.
    """

    member: str
    active: str
    epoch: int
    since_ns: int
    reason: str
    unwilling: str
    is_covered: bool
    if_active_died: str
    was_replaced: bool
    age_s: float | None
    is_realtime: bool
    undecodable: int
    has_fence: bool
    running: tuple[str, ...]
    waiting: tuple[str, ...]
    peers: tuple[PeerReport, ...]
    events: tuple[Event, ...]


def standing(
    me: Member,
    report: Report,
    unwilling: str,
    past: Past,
    services: Services,
    *,
    has_fence: bool,
    age_s: float | None,
    since_ns: int,
    events: Sequence[Event],
) -> Standing:
    """Put together what status shows."""
    active, epoch = active_in(me, report)
    is_covered, sentence = if_active_died(me, active, unwilling, report.peers)
    return Standing(
        member=me.name.lower(),
        active=active.name.lower() if active is not None else "",
        epoch=epoch,
        since_ns=since_ns,
        reason=report.reason,
        unwilling=unwilling,
        is_covered=is_covered,
        if_active_died=sentence,
        was_replaced=past.was_replaced,
        age_s=age_s,
        is_realtime=report.is_realtime,
        undecodable=report.undecodable,
        has_fence=has_fence,
        running=services.running,
        waiting=services.waiting,
        peers=report.peers,
        events=tuple(events[-LAST_EVENTS:]),
    )


def if_active_died(
    me: Member, active: Member | None, unwilling: str, peers: Sequence[PeerReport]
) -> tuple[bool, str]:
    """Whether the other head would take over if the active one died now, and a sentence on it."""
    if active is None:
        return False, "nobody is active"
    left = {peer.member: peer for peer in peers if peer.member is not active}
    silent = [peer.member.name.lower() for peer in left.values() if not peer.is_fresh]
    if silent:
        return False, f"nobody would take over: the {' and the '.join(silent)} is not heard"
    other = Member.STANDBY if active is Member.PRIMARY else Member.PRIMARY
    if me is other:
        why_not = unwilling
    else:
        peer = left[other]
        why_not = "" if peer.is_willing and peer.is_fit else "it does not want the lease"
    if why_not:
        return False, f"the {other.name.lower()} would not take over: {why_not}"
    return True, f"the {other.name.lower()} would take over"


def active_in(me: Member, report: Report) -> tuple[Member | None, int]:
    """Who is active, and in which epoch, by a report of this member's keeper."""
    if report.is_active:
        return me, report.tenure
    for peer in report.peers:
        if peer.is_fresh and peer.is_active:
            return peer.member, peer.tenure
    return None, 0
