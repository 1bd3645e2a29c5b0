"""What follows from the results of a check: a pure record of one check, and its next act.

A service that fails is started again, a few times within a window; when that does not help, people
are told, and the service moves with everything else to the other head, if that one is well. A check
that gives no answer in time says nothing about the service: it is unknown, never failed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from haoscar_pxe.config_failover import ServiceCheck


class Result(Enum):
    """What one look at a service said. UNKNOWN: nothing, in time."""

    WELL = "well"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Act(Enum):
    """What to do next. ALERT and MOVE come once until the check is well again."""

    NOTHING = "nothing"
    RESTART = "restart"
    ALERT = "alert"
    MOVE = "move"


@dataclass(frozen=True, slots=True)
class Health:
    """One check's record. Instants are seconds of a monotonic clock.

    failed, unknown: results of this kind in a row. restarts: when the service was started again.
    is_told: people were told. has_moved: a move was asked for.
    """

    check: ServiceCheck
    failed: int = 0
    unknown: int = 0
    restarts: tuple[float, ...] = ()
    is_told: bool = False
    has_moved: bool = False

    def seen(self, result: Result, now: float) -> tuple[Health, Act]:
        """The record after one more result, and what to do."""
        if result is Result.WELL:
            return replace(self, failed=0, unknown=0, is_told=False, has_moved=False), Act.NOTHING
        if result is Result.UNKNOWN:
            return self._unknown()
        after = replace(self, failed=self.failed + 1, unknown=0)
        if after.failed < self.check.failures:
            return after, Act.NOTHING
        return after._failed(now)

    def _unknown(self) -> tuple[Health, Act]:
        after = replace(self, failed=0, unknown=self.unknown + 1)
        if after.unknown < self.check.failures or after.is_told:
            return after, Act.NOTHING
        return replace(after, is_told=True), Act.ALERT

    def _failed(self, now: float) -> tuple[Health, Act]:
        recent = tuple(at for at in self.restarts if now - at < self.check.window_s)
        if len(recent) < self.check.restarts:
            return replace(self, failed=0, restarts=(*recent, now)), Act.RESTART
        if not self.is_told:
            return replace(self, restarts=recent, is_told=True), Act.ALERT
        if not self.has_moved and self.check.moves:
            return replace(self, restarts=recent, has_moved=True), Act.MOVE
        return replace(self, restarts=recent), Act.NOTHING
