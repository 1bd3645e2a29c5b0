"""What a keeper knows of one peer: its session, its last word, and when each network brought it."""

from __future__ import annotations

from dataclasses import dataclass, field

from haoscar_pxe.monitor.candidate import Word
from haoscar_pxe.monitor.lease import Member
from haoscar_pxe.monitor.reports import PeerReport
from haoscar_pxe.wire.heartbeat import Content, Flag, Kind
from haoscar_pxe.wire.heartbeat_session import Session

NEVER = -1


@dataclass(slots=True)
class Peer:
    """One peer. heard_at: the last fresh word, by the own clock; by_network: for each network the
    last datagram that was the peer's, new or a copy. silent_ns: how long a word counts.
    """

    member: Member
    session: Session
    silent_ns: int
    by_network: list[int]
    heard_at: int = NEVER
    last: Content | None = None
    highest: int = 0
    tenure: int = 0
    _word: Word | None = field(default=None, init=False)

    def said(self, content: Content, now: int) -> None:
        """Take a fresh word."""
        self.heard_at, self.last = now, content
        self.highest = max(self.highest, content.promised, content.epoch)
        if content.kind is Kind.ASK and content.flags & Flag.ACTIVE:
            self.tenure = content.epoch
        self._word = Word(
            holder=None if content.holder is None else Member(content.holder),
            is_active=bool(content.flags & Flag.ACTIVE),
            is_fit=bool(content.flags & Flag.FIT),
            is_willing=bool(content.flags & Flag.WILLING),
        )

    def word(self, now: int) -> Word | None:
        """What it said, if that is recent."""
        is_fresh = self.heard_at != NEVER and now - self.heard_at <= self.silent_ns
        return self._word if is_fresh else None

    def report(self, now: int) -> PeerReport:
        """How it looks from here."""
        heard = tuple(NEVER if at == NEVER else (now - at) // 1_000_000 for at in self.by_network)
        word = self._word
        if word is None or self.last is None:
            return PeerReport(self.member, False, heard)
        return PeerReport(
            member=self.member,
            is_fresh=self.word(now) is not None,
            heard_ms=heard,
            holder=word.holder,
            is_active=word.is_active,
            is_fit=word.is_fit,
            is_willing=word.is_willing,
            is_stopped=bool(self.last.flags & Flag.STOPPED),
            tenure=self.tenure,
        )
