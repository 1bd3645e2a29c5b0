"""Whether a head shall be the active one, if the lease lets it: pure decisions, each with a reason.

The lease decides who may; this decides who wants to. A reason is empty where nothing speaks
against the head. A head that serves gives the lease back only to one that can take it: when both
have the same trouble, nothing moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from haoscar_pxe.monitor.candidate import WAS_REPLACED
from haoscar_pxe.monitor.past import Past
from haoscar_pxe.monitor.reports import PeerReport

DEAD_AFTER_MS: Final = 10_000
"""A head that came back too often waits no longer for one that is silent so long: that one is dead
or cut off, where a stall of seconds would only be one more move between the two."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How things stand with this head.

    down: its public interfaces without carrier. moving: why it is to be moved away now, "" if it
    is not. rejoins: one that was replaced may take over by itself; rejoined: so often it did so of
    late; rejoin_limit: 0 for none. age_s: of the generation that it is, None where it is no
    standby. other: the other head, None before it was heard of.
    """

    is_active: bool
    past: Past
    down: tuple[str, ...] = ()
    moving: str = ""
    age_s: float | None = None
    oldest_s: int = 0
    rejoins: bool = False
    rejoined: int = 0
    rejoin_limit: int = 0
    other: PeerReport | None = None

    @property
    def is_flapping(self) -> bool:
        """Whether it came back by itself so often that a person should look at it."""
        return 0 < self.rejoin_limit <= self.rejoined

    @property
    def waits(self) -> bool:
        """Whether a head that was replaced waits for a person."""
        return not self.rejoins or (self.is_flapping and not self.has_lost_the_other)

    @property
    def has_lost_the_other(self) -> bool:
        """Whether the other head is silent on every network, for long or since this one started."""
        silent_ms = self.other.heard_ms if self.other else (0,)
        return all(each < 0 or each >= DEAD_AFTER_MS for each in silent_ms)

    @property
    def can_fail_back(self) -> bool:
        """Whether a planned move would bring the primary back."""
        return self.is_active and self.can_hand_over

    @property
    def can_hand_over(self) -> bool:
        """Whether the other head is there, and would take the lease."""
        other = self.other
        return other is not None and other.is_fresh and other.is_fit and other.is_willing


def unwilling(now: Circumstances) -> str:
    """Why this head shall not have the lease, "" if it may."""
    if now.moving:
        return now.moving
    if now.past.maintenance:
        return f"in maintenance: {now.past.maintenance}"
    if now.down and (not now.is_active or now.can_hand_over):
        return f"no carrier on {', '.join(now.down)}"
    if now.is_active:
        return ""
    if now.past.was_replaced and now.waits:
        return WAS_REPLACED if not now.rejoins else _came_back_too_often(now)
    if now.age_s is not None and 0 < now.oldest_s < now.age_s:
        return f"its generation is {now.age_s:.0f} s old, more than {now.oldest_s} s"
    return ""


def _came_back_too_often(now: Circumstances) -> str:
    times = f"{now.rejoined} time{'s' if now.rejoined > 1 else ''}"
    return f"was replaced, and came back by itself {times} of late; 'haoscar-pxe failover rejoin'"


def why_not_move(now: Circumstances) -> str:
    """Why a planned move away from this head would leave nobody active, "" if it would not."""
    if not now.is_active:
        return "this head is not the active one; ask the other one"
    other = now.other
    if other is None or not other.is_fresh:
        return "the other head is not heard"
    if not other.is_fit:
        return "the other head's interfaces are down"
    if not other.is_willing:
        return (
            "the other head does not want the lease; 'haoscar-pxe failover status' there says why"
        )
    return ""


def may_write(*, stopped_by_other: bool, fenced_epoch: int, epoch: int) -> bool:
    """Whether services that write shared data may start.

    stopped_by_other: the other head was heard just now to run none of them. epoch: in which this
    head became active. fenced_epoch: the last one for which the other head's power was taken away,
    and a fence program said so.
    """
    return stopped_by_other or 0 < epoch == fenced_epoch
