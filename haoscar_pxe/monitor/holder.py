"""A head that asks for the lease: what it was granted, and until when its door may be open.

A value and its next value, without clock or socket. The door is open until the second latest of
three grants is over, each counted from the moment at which it was asked for: at that moment two
acceptors still hold theirs, and a majority for another head needs one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from haoscar_pxe.monitor.lease import MAJORITY, NOTHING, Answer, Ask, Member, Release, Terms

NO_GRANTS: Final = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Holder:
    """A head's side of the lease. All instants are its own.

    epoch: what it asks for, NOTHING while it does not want the lease. known: the highest epoch it
    has heard of or used; it must not be lower after a restart. grants: until when each acceptor's
    word on this epoch holds, in the order of Member. door_until: the door must be shut from then
    on, unless it moves. tenure: the epoch for which a majority opened the door last; what is
    fenced or started because of it is told this number.
    """

    epoch: int = NOTHING
    known: int = 0
    grants: tuple[int, int, int] = NO_GRANTS
    door_until: int = 0
    tenure: int = NOTHING

    def holds(self, now: int) -> bool:
        """Whether the door may be open."""
        return now < self.door_until

    def begun(self) -> Holder:
        """Ask from now on, with an epoch above all that is known."""
        return self.with_epoch(self.known + 1)

    def ask(self, now: int) -> Ask:
        """What to send to all three acceptors now."""
        return Ask(self.epoch, now)

    def answered(self, acceptor: Member, answer: Answer, now: int, terms: Terms) -> Holder:
        """Take an acceptor's word. One on another epoch, or on what was not asked yet, is none."""
        heard = replace(self, known=max(self.known, answer.promised))
        if not self.counts(answer, now):
            return heard
        grants = heard.with_grant(acceptor, self.until(answer, terms))
        door_until = heard.majority(grants)
        if door_until <= max(now, self.door_until):
            return replace(heard, grants=grants)
        return replace(heard, grants=grants, door_until=door_until, tenure=self.epoch)

    def overtaken(self) -> Holder:
        """Ask with a higher epoch where somebody knows a higher one than what is asked for.

        An acceptor that was restarted refuses epochs below those it may have granted before. The
        door stays as it is: it was granted to this head, and no other can have it before that is
        over. But what opens it from now on is a majority for the new epoch alone.
        """
        is_behind = NOTHING < self.epoch < self.known
        return self.with_epoch(self.known + 1) if is_behind else self

    def stopped(self) -> tuple[Holder, Release]:
        """Want it no more. The door is shut first, then the release is sent."""
        shut = replace(self, epoch=NOTHING, grants=NO_GRANTS, door_until=0, tenure=NOTHING)
        return shut, Release(self.epoch)

    def with_epoch(self, epoch: int) -> Holder:
        """The same door, but another epoch to ask for, on which nobody has said anything yet."""
        return replace(self, epoch=epoch, known=epoch, grants=NO_GRANTS)

    def counts(self, answer: Answer, now: int) -> bool:
        """Whether the answer grants what is asked for now."""
        return answer.is_granted and answer.epoch == self.epoch != NOTHING and answer.stamp <= now

    def until(self, answer: Answer, terms: Terms) -> int:
        """When the grant is over: counted from asking, so never after the acceptor's own."""
        return answer.stamp + terms.lease_ns

    def with_grant(self, acceptor: Member, until: int) -> tuple[int, int, int]:
        """The grants with one more word; an older answer that comes late shortens nothing."""
        grants = list(self.grants)
        grants[acceptor] = max(grants[acceptor], until)
        return grants[0], grants[1], grants[2]

    def majority(self, grants: tuple[int, int, int]) -> int:
        """Until when two of three grants hold."""
        return sorted(grants)[-MAJORITY]
