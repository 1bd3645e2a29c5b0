"""What the members of a lease say to each other, and the terms on which it is given.

Three members, the acceptors: two heads and a witness. A head is active only while two of the three
have granted it the lease (Gray and Cheriton, "Leases", SOSP 1989; majorities as in Paxos). The
grant is a matter of time, the epoch a matter of order: time keeps two heads from being active at
once, the epoch tells everybody outside which of two tenures is the later one.

Instants are integers in nanoseconds of each member's own CLOCK_BOOTTIME, which goes on while a
machine is suspended and is never set. No two members' clocks are ever compared: an `Ask` carries
an instant of the asker, which comes back to the asker and means nothing to anybody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias


class Member(IntEnum):
    """One of the three. Which head is the active one is not said here: that is the lease."""

    PRIMARY = 0
    STANDBY = 1
    WITNESS = 2


HEADS: Final = (Member.PRIMARY, Member.STANDBY)
MAJORITY: Final = 2
NOTHING: Final = 0
"""The epoch of who asks for nothing; real ones begin at 1."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a lease lasts.

    lease_ns: counted by the asker from the moment of asking. margin_ns: what an acceptor adds,
    counting from the moment of hearing; it pays for clocks that run at different speeds, so the
    lease is safe while they differ by less than margin / lease (a tenth; real ones by 1/10,000).
    """

    lease_ns: int = 500_000_000
    margin_ns: int = 50_000_000


@dataclass(frozen=True, slots=True)
class Tenures:
    """The latest epoch in which each head is known to have been active; 0: never.

    They tell whose data are newer, also after all three were down: each member keeps them, and
    says them with every heartbeat.
    """

    primary: int = 0
    standby: int = 0

    def of(self, head: Member) -> int:
        """The head's; the witness has none."""
        return {Member.PRIMARY: self.primary, Member.STANDBY: self.standby}.get(head, 0)

    def known(self, head: Member, epoch: int) -> Tenures:
        """With one more thing known."""
        if head is Member.PRIMARY:
            return self.merged(Tenures(primary=epoch))
        return self.merged(Tenures(standby=epoch)) if head is Member.STANDBY else self

    def merged(self, others: Tenures) -> Tenures:
        """What is known to either."""
        return Tenures(max(self.primary, others.primary), max(self.standby, others.standby))

    def was_replaced(self, head: Member, settled: int) -> bool:
        """Whether the other head was active after this one. settled: up to there they are one."""
        other = Member.STANDBY if head is Member.PRIMARY else Member.PRIMARY
        return settled < self.of(head) < self.of(other)


@dataclass(frozen=True, slots=True)
class Ask:
    """A head asks an acceptor for the lease, or for its renewal. stamp: when, by its own clock."""

    epoch: int
    stamp: int


@dataclass(frozen=True, slots=True)
class Release:
    """A head gives the lease back; its door was closed before this was sent."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Answer:
    """An acceptor's word on one `Ask`, whose epoch and stamp it repeats.

    promised: the highest epoch that this acceptor knows of, for who must choose a higher one.
    holder: to whom it has granted the lease now, None if to nobody.
    """

    epoch: int
    stamp: int
    is_granted: bool
    promised: int
    holder: Member | None


Message: TypeAlias = Ask | Release | Answer
