"""Which heartbeats are fresh: those of a process that has shown that it lives now.

A member gives every peer a random challenge, and believes a process of the peer's only after it has
sent that back. The challenge is then this process's alone: for another one (the peer was started
again, or somebody sends what an earlier one said) there is a new one. Within a process sequence
numbers rise, so each datagram counts once, however many networks bring it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from haoscar_pxe.wire.heartbeat import NO_TOKEN, Content, Flag, Heartbeat, Kind

Tokens: TypeAlias = Callable[[], bytes]
"""Gives TOKEN_BYTES nobody can guess."""


@dataclass(slots=True)
class Session:
    """What one member knows of one peer's freshness.

    member, peer: as in a heartbeat. nonce: of the member's own process. known: of the peer's
    process that is believed, NO_TOKEN before one is; given: the challenge that it sent back.
    offered: the challenge for whoever is not believed yet. echo: what the peer wants to see.
    """

    member: int
    peer: int
    nonce: bytes
    tokens: Tokens
    sequence: int = 0
    known: bytes = NO_TOKEN
    heard: int = 0
    given: bytes = NO_TOKEN
    echo: bytes = NO_TOKEN
    offered: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.offered = self.tokens()

    @property
    def is_established(self) -> bool:
        """Whether a process of the peer's is believed."""
        return self.known != NO_TOKEN

    def say(self, content: Content) -> Heartbeat:
        """The next datagram to the peer."""
        challenge = self.given if self.is_established else self.offered
        return self._beat(content, challenge, self.echo)

    def heard_beat(self, beat: Heartbeat) -> tuple[Content | None, Heartbeat | None]:
        """What a decoded datagram says if it is fresh, and what to send back if it is not.

        A datagram that is for somebody else, or late, is neither believed nor answered.
        """
        if (beat.sender, beat.receiver) != (self.peer, self.member):
            return None, None
        if beat.nonce != self.known:
            if beat.echo != self.offered:
                hello = Content(Kind.HELLO, Flag.NONE)
                return None, self._beat(hello, self.offered, beat.challenge)
            self._believe(beat)
        elif beat.echo != self.given or beat.sequence <= self.heard:
            return None, None
        self.heard, self.echo = beat.sequence, beat.challenge
        return beat.content, None

    def _believe(self, beat: Heartbeat) -> None:
        self.known, self.given = beat.nonce, self.offered
        self.offered = self.tokens()

    def _beat(self, content: Content, challenge: bytes, echo: bytes) -> Heartbeat:
        self.sequence += 1
        return Heartbeat(
            self.member, self.peer, self.nonce, self.sequence, challenge, echo, content
        )
