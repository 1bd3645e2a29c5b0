"""The lease with one thing wrong, once for every rule that it has: each must be caught.

A rule whose absence nobody notices is either not needed or not tested.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from haoscar_pxe.monitor.acceptor import Acceptor, Grant
from haoscar_pxe.monitor.holder import NO_GRANTS, Holder
from haoscar_pxe.monitor.lease import NOTHING, Answer, Ask, Member, Release, Terms
from tests.lease.world import Rules


class GrantsToAnybody(Acceptor):
    """Another head's living grant is no obstacle."""

    __slots__ = ()

    def may_grant(self, holder: Member, epoch: int, now: int) -> bool:
        return epoch > self.promised or (self.grant is not None and self.grant.holder is holder)


class GrantsOldEpochs(Acceptor):
    """Any epoch will do once the grant is over."""

    __slots__ = ()

    def may_grant(self, holder: Member, epoch: int, now: int) -> bool:
        return self.holder(now) in (None, holder)


class GrantsTheSameEpochToBoth(Acceptor):
    """The promised epoch may go to another head too."""

    __slots__ = ()

    def may_grant(self, holder: Member, epoch: int, now: int) -> bool:
        return self.holder(now) in (None, holder) and epoch >= self.promised


class ForgetsThePromise(Acceptor):
    """A grant raises no promise."""

    __slots__ = ()

    def asked(
        self, holder: Member, ask: Ask, now: int, terms: Terms
    ) -> tuple[Acceptor, Answer | None]:
        after, answer = Acceptor.asked(self, holder, ask, now, terms)
        return replace(after, promised=self.promised), answer


class IsNeverQuiet(Acceptor):
    """It answers right after a restart."""

    __slots__ = ()

    @classmethod
    def restarted(cls, promised: int, now: int, terms: Terms) -> Acceptor:
        return cls(promised=promised)


class IsQuietTooBriefly(Acceptor):
    """Quiet for less than what it may have granted right before."""

    __slots__ = ()

    @classmethod
    def restarted(cls, promised: int, now: int, terms: Terms) -> Acceptor:
        return cls(quiet_until=now + terms.lease_ns - terms.margin_ns, promised=promised)


class AnswersWhileQuiet(Acceptor):
    """It is quiet, but not to who asks first."""

    __slots__ = ()

    def asked(
        self, holder: Member, ask: Ask, now: int, terms: Terms
    ) -> tuple[Acceptor, Answer | None]:
        return Acceptor.asked(replace(self, quiet_until=0), holder, ask, now, terms)


class HasNoMargin(Acceptor):
    """Its grant lasts as long as the asker's, so that a fast clock ends it before."""

    __slots__ = ()

    def until(self, now: int, terms: Terms) -> int:
        return now + terms.lease_ns


class CountsFromTheAsker(Acceptor):
    """It believes the asker's stamp to be of its own clock, and old questions to be new ones."""

    __slots__ = ()

    def asked(
        self, holder: Member, ask: Ask, now: int, terms: Terms
    ) -> tuple[Acceptor, Answer | None]:
        after, answer = Acceptor.asked(self, holder, ask, now, terms)
        if answer and answer.is_granted:
            grant = Grant(holder, ask.epoch, ask.stamp + terms.lease_ns + terms.margin_ns)
            return replace(after, grant=grant), replace(answer, stamp=now)
        return after, answer


class SaysYesAlways(Acceptor):
    """Its answer does not say what it decided."""

    __slots__ = ()

    def answer(self, ask: Ask, now: int, *, is_granted: bool) -> Answer:
        return Acceptor.answer(self, ask, now, is_granted=True)


class ReleasesForAnybody(Acceptor):
    """A release frees it, whoever sent it."""

    __slots__ = ()

    def released(self, holder: Member, release: Release) -> Acceptor:
        return replace(self, grant=None)


class ReleasesLaterGrants(Acceptor):
    """A release that was long on its way takes away what was granted since."""

    __slots__ = ()

    def released(self, holder: Member, release: Release) -> Acceptor:
        if self.grant and self.grant.holder is holder:
            return replace(self, grant=None)
        return self


class CountsFromHearing(Holder):
    """It counts the lease from the answer."""

    __slots__ = ()

    def answered(self, acceptor: Member, answer: Answer, now: int, terms: Terms) -> Holder:
        return Holder.answered(self, acceptor, replace(answer, stamp=now), now, terms)


class NeedsOne(Holder):
    """One acceptor is enough."""

    __slots__ = ()

    def majority(self, grants: tuple[int, int, int]) -> int:
        return max(grants)


class CountsRefusals(Holder):
    """An answer is an answer."""

    __slots__ = ()

    def counts(self, answer: Answer, now: int) -> bool:
        return answer.epoch == self.epoch != NOTHING and answer.stamp <= now


class CountsOldEpochs(Holder):
    """A grant of another epoch counts for this one."""

    __slots__ = ()

    def counts(self, answer: Answer, now: int) -> bool:
        return answer.is_granted and self.epoch != NOTHING and answer.stamp <= now


class CountsAfterStopping(Holder):
    """A grant that comes after it stopped opens the door again."""

    __slots__ = ()

    def counts(self, answer: Answer, now: int) -> bool:
        return answer.is_granted and self.epoch in (NOTHING, answer.epoch)

    def stopped(self) -> tuple[Holder, Release]:
        after, release = Holder.stopped(self)
        return replace(after, grants=self.grants), release


class KeepsItsGrantsWhenOvertaken(Holder):
    """Grants of the old epoch help the new one to its majority."""

    __slots__ = ()

    def with_epoch(self, epoch: int) -> Holder:
        return replace(self, epoch=epoch, known=epoch)


class BeginsWithItsOldEpoch(Holder):
    """It asks with the highest epoch it knows, not with a higher one."""

    __slots__ = ()

    def begun(self) -> Holder:
        return self.with_epoch(max(1, self.known))


class CountsOneAcceptorTwice(Holder):
    """Two answers are a majority, also if both are of one acceptor."""

    __slots__ = ()

    def with_grant(self, acceptor: Member, until: int) -> tuple[int, int, int]:
        if self.grants == NO_GRANTS:
            return (until, 0, 0)
        return (self.grants[0], until, self.grants[2])


class LeasesForLonger(Holder):
    """It grants itself the margin, too, and one more."""

    __slots__ = ()

    def until(self, answer: Answer, terms: Terms) -> int:
        return answer.stamp + terms.lease_ns + 2 * terms.margin_ns


MUTANTS: Final = (
    *(
        Rules(name=kind.__name__, acceptor=kind)
        for kind in (
            GrantsToAnybody,
            GrantsOldEpochs,
            GrantsTheSameEpochToBoth,
            ForgetsThePromise,
            IsNeverQuiet,
            IsQuietTooBriefly,
            AnswersWhileQuiet,
            HasNoMargin,
            CountsFromTheAsker,
            SaysYesAlways,
            ReleasesForAnybody,
            ReleasesLaterGrants,
        )
    ),
    *(
        Rules(name=kind.__name__, holder=kind)
        for kind in (
            CountsFromHearing,
            NeedsOne,
            CountsRefusals,
            CountsOldEpochs,
            CountsAfterStopping,
            KeepsItsGrantsWhenOvertaken,
            BeginsWithItsOldEpoch,
            CountsOneAcceptorTwice,
            LeasesForLonger,
        )
    ),
    Rules(name="an acceptor's promise dies with its process", keeps_promise=False),
    Rules(name="the release is sent before the door is shut", shuts_before_release=False),
)
