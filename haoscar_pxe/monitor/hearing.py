"""What one member hears of the two others: their last words, and what these say together.

It judges only what is recent: a peer that was silent for too long has no word. What a word leads to
is decided elsewhere (`candidate.py`, `asking.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from haoscar_pxe.monitor.candidate import Word
from haoscar_pxe.monitor.lease import MAJORITY, Member
from haoscar_pxe.monitor.peer import NEVER, Peer
from haoscar_pxe.monitor.reports import PeerReport, Settings
from haoscar_pxe.wire.heartbeat_session import Session, Tokens

FRESH_BEATS: Final = 4
"""A peer's word counts for so many."""


class Hearing:
    """The peers of one member. beat_ns: between two heartbeats. All instants are its own, in ns."""

    def __init__(self, settings: Settings, beat_ns: int, tokens: Tokens) -> None:
        self._me = settings.member
        nonce = tokens()
        self._peers: Mapping[Member, Peer] = {
            peer: Peer(
                member=peer,
                session=Session(self._me, peer, nonce, tokens),
                silent_ns=FRESH_BEATS * beat_ns,
                by_network=[NEVER] * len(settings.networks),
            )
            for peer in Member
            if peer is not self._me
        }

    def of(self, member: Member) -> Peer:
        """The peer of that name; nobody is a peer of its own."""
        return self._peers[member]

    @property
    def members(self) -> tuple[Member, ...]:
        """The two others."""
        return tuple(self._peers)

    @property
    def highest(self) -> int:
        """The highest epoch that a peer ever spoke of."""
        return max(peer.highest for peer in self._peers.values())

    def words(self, now: int) -> dict[Member, Word]:
        """What is recent, by who said it."""
        return {peer: word for peer, each in self._peers.items() if (word := each.word(now))}

    def says_taken(self, now: int) -> bool:
        """Whether a peer has granted the lease to anybody, or is active itself."""
        words = self.words(now).values()
        return any(word.holder is not None or word.is_active for word in words)

    def says_beaten(self, now: int) -> bool:
        """Whether the other head has a majority, so that asking on only binds the own acceptor."""
        words = self.words(now).values()
        for_other = [word for word in words if word.holder not in (None, self._me)]
        return len(for_other) >= MAJORITY or any(word.is_active for word in words)

    def why_free(self, now: int) -> str:
        """What a person wants to know of a new tenure: what became of the other head."""
        other = next(peer for peer in self._peers.values() if peer.member is not Member.WITNESS)
        name = other.member.name.lower()
        if other.heard_at == NEVER:
            return f"nobody had the lease, and the {name} is not heard"
        if other.word(now) is None:
            silent_s = (now - other.heard_at) / 1e9
            return f"the {name} is silent since {silent_s:.2f} s; a majority granted the lease"
        return f"the {name} is there and does not have the lease; a majority granted it"

    def report(self, now: int) -> tuple[PeerReport, ...]:
        """How the peers look from here."""
        return tuple(peer.report(now) for peer in self._peers.values())
