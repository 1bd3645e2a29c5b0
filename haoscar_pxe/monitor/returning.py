"""Heads that come back: how often by themselves, and when the primary is active again.

Pure: instants come in, nothing is done here. The lease knows nothing of it; a head that comes back
too often only becomes one that waits for a person, as with `rejoin = "manual"`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


def recent(rejoined_s: tuple[int, ...], now_s: int, window_s: int) -> tuple[int, ...]:
    """Those returns that count still. All in seconds of CLOCK_REALTIME, so that a reboot forgets
    nothing. One that the clock, after it was set, puts further away than the window counts no more.

    >>> recent((100, 900), 1000, 200)
    (900,)
    >>> recent((900,), 500, 200)
    ()
    """
    return tuple(at for at in rejoined_s if abs(now_s - at) < window_s)


@dataclass(frozen=True, slots=True)
class Steadiness:
    """For how long the primary could have taken over. since: of a monotonic clock, None if not."""

    since: float | None = None

    def seen(self, now: float, *, could: bool) -> Steadiness:
        """One more look at it; a single bad one makes it begin anew."""
        if not could:
            return Steadiness()
        return self if self.since is not None else replace(self, since=now)

    def lasts(self, now: float, wanted_s: float) -> bool:
        """Whether it was so at every look for the time that is wanted."""
        return self.since is not None and now - self.since >= wanted_s
