"""How long and with which epoch a head goes on asking for the lease.

Around the holder, which counts grants, stands patience: a head that gets no majority in time stops
for a while, and one that learns of a higher epoch overtakes it. Whether to begin at all is
decided in `candidate.py`; the door follows in `presence.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from haoscar_pxe.monitor.holder import Holder
from haoscar_pxe.monitor.lease import NOTHING, Answer, Member, Release, Terms

OVERTAKING_NS: Final = 1_000_000_000
"""An open door's epoch is raised no sooner: others must first be allowed to grant a higher one."""


class Asking:
    """A head's side of the lease, and its patience. All instants are its own, in ns.

    holder: what it asks for and has. known: the highest epoch that may have been used before.
    """

    def __init__(self, known: int, terms: Terms, now: int) -> None:
        self.holder = Holder(known=known)
        self._terms = terms
        self._since = now
        self._behind_since = 0

    @property
    def is_on(self) -> bool:
        """Whether it has or wants the lease."""
        return self.holder.epoch != NOTHING

    def begin(self, known: int, now: int) -> None:
        """Ask from now on, above the highest epoch that is known anywhere."""
        self.holder = replace(self.holder, known=known).begun()
        self._since, self._behind_since = now, 0

    def answered(self, acceptor: Member, answer: Answer, now: int) -> bool:
        """Take an acceptor's word; whether the door may be open for longer than before."""
        before = self.holder
        self.holder = before.answered(acceptor, answer, now, self._terms)
        return self.holder.door_until > before.door_until

    def has_succeeded(self, now: int) -> None:
        """The door is open: patience begins anew."""
        self._since = now

    def is_in_vain(self, now: int) -> bool:
        """Whether a majority would have answered by now."""
        return now - self._since > self._terms.lease_ns + self._terms.margin_ns

    def overtake(self, known: int, limit: int, now: int, *, is_open: bool) -> bool:
        """Ask with a higher epoch where one is known and that is due; whether it does so now.

        limit: epochs from there on may not be used yet.
        """
        if known <= self.holder.epoch:
            self._behind_since = 0
            return False
        self._behind_since = self._behind_since or now
        is_due = not is_open or now - self._behind_since >= OVERTAKING_NS
        if not is_due or known >= limit:
            return False
        self.holder = replace(self.holder, known=known).overtaken()
        self._behind_since = 0
        return True

    def stop(self) -> Release:
        """Want it no more; the door is shut before the release is sent."""
        self.holder, release = self.holder.stopped()
        return release
