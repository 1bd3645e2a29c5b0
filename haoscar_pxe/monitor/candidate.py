"""Whether a head asks for the lease now: a pure decision, with its reason.

Asking is always safe: two doors never open, whoever asks. It is not always wise. A head that asks
binds its own acceptor, and two heads that ask at once can keep each other from a majority. So a
head asks only when what it hears says that nobody has the lease, and the standby lets the primary
go first if both could.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from haoscar_pxe.monitor.lease import Member

DEFERENCE_NS: Final = 2_000_000_000
"""How long the standby leaves the lease to a primary that is there, fit and willing."""
WAS_REPLACED: Final = (
    "was replaced by the other head, which has newer data; 'haoscar-pxe failover rejoin'"
)


@dataclass(frozen=True, slots=True)
class Word:
    """What a peer said last, and recently. holder: to whom it has granted the lease."""

    holder: Member | None
    is_active: bool
    is_fit: bool
    is_willing: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand with a head that does not ask. All instants are its own, in ns.

    unwilling: why it shall not have the lease, "" if it may. resting_until: it asks for nothing
    before. quiet_until, own_holder: of its own acceptor. words: of the peers that are heard.
    free_since: since when nobody is known to have the lease.
    """

    me: Member
    unwilling: str
    resting_until: int
    quiet_until: int
    own_holder: Member | None
    words: Mapping[Member, Word]
    free_since: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to ask, and why or why not."""

    asks: bool
    reason: str


def verdict(standing: Standing, now: int) -> Verdict:
    """Decide. The reasons are for people: `status` prints them."""
    me = standing.me
    if standing.unwilling:
        return Verdict(False, standing.unwilling)
    if now < standing.quiet_until:
        return Verdict(False, "silent for one lease after its start")
    if now < standing.resting_until:
        return Verdict(False, "gave the lease back a moment ago")
    if standing.own_holder not in (None, me):
        return Verdict(False, f"the {standing.own_holder.name.lower()} has the lease")
    if not standing.words:
        return Verdict(False, "hears neither the other head nor the witness")
    for peer, word in standing.words.items():
        if word.holder not in (None, me):
            return Verdict(False, f"the {peer.name.lower()} says that the {_name(word)} has it")
        if word.is_active:
            return Verdict(False, f"the {peer.name.lower()} says that it is active")
    other = standing.words.get(Member.PRIMARY)
    defers = me is Member.STANDBY and other and other.is_fit and other.is_willing
    if defers and now < standing.free_since + DEFERENCE_NS:
        return Verdict(False, "leaves it to the primary, which is there and willing")
    return Verdict(True, "nobody has the lease")


def _name(word: Word) -> str:
    return "nobody" if word.holder is None else word.holder.name.lower()
