"""One of three voices on who holds the lease: what it has granted, until when, and to whom.

A value and its next value, without clock or socket. It never grants to two heads at once, it is
silent for a whole lease after its own restart (it may have granted one before), and the epochs
it grants to different heads only rise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from haoscar_pxe.monitor.lease import Answer, Ask, Member, Release, Terms


@dataclass(frozen=True, slots=True)
class Grant:
    """The lease, given to one head. until: by this acceptor's clock."""

    holder: Member
    epoch: int
    until: int


@dataclass(frozen=True, slots=True)
class Acceptor:
    """An acceptor. All instants are its own.

    quiet_until: it answers nothing before. promised: no lower epoch is granted to anybody, and this
    one only to whom it was granted first. It must not be lower after a restart: its keeper makes
    a higher one durable beforehand. grant: the last one, which may be over.
    """

    quiet_until: int = 0
    promised: int = 0
    grant: Grant | None = None

    @classmethod
    def restarted(cls, promised: int, now: int, terms: Terms) -> Acceptor:
        """After a start, when it is not known what was granted before."""
        return cls(quiet_until=now + terms.lease_ns + terms.margin_ns, promised=promised)

    def asked(
        self, holder: Member, ask: Ask, now: int, terms: Terms
    ) -> tuple[Acceptor, Answer | None]:
        """Answer a head; None means silence, as if the question had been lost."""
        if now < self.quiet_until:
            return self, None
        if not self.may_grant(holder, ask.epoch, now):
            return self, self.answer(ask, now, is_granted=False)
        grant = Grant(holder, ask.epoch, self.until(now, terms))
        after = replace(self, promised=max(self.promised, ask.epoch), grant=grant)
        return after, after.answer(ask, now, is_granted=True)

    def released(self, holder: Member, release: Release) -> Acceptor:
        """A head gave back all it has up to an epoch; what it was granted since then stays."""
        grant = self.grant
        if grant and grant.holder is holder and grant.epoch <= release.epoch:
            return replace(self, grant=replace(grant, until=0))
        return self

    def holder(self, now: int) -> Member | None:
        """Who has this acceptor's grant now."""
        return self.grant.holder if self.grant and now < self.grant.until else None

    def may_grant(self, holder: Member, epoch: int, now: int) -> bool:
        """Whether the head may have it: nobody else does, and the epoch is not an old one."""
        if self.holder(now) not in (None, holder):
            return False
        if epoch == self.promised:
            return self.grant is not None and self.grant.holder is holder
        return epoch > self.promised

    def until(self, now: int, terms: Terms) -> int:
        """When a grant given now is over: counted from hearing, so never before the asker's own."""
        return now + terms.lease_ns + terms.margin_ns

    def answer(self, ask: Ask, now: int, *, is_granted: bool) -> Answer:
        """The answer to an ask, as things stand now."""
        return Answer(ask.epoch, ask.stamp, is_granted, self.promised, self.holder(now))
