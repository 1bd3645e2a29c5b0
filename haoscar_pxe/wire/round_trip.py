"""How long to wait for an acknowledgement, from how long the last ones took.

Sources: RFC 6298 section 2 (smoothing), Karn's rule (a retransmitted packet gives no sample, and
a wait that was lengthened stays so until there is one).
Unlike TCP's the floor is low: lost blocks of a boot file on a LAN must not cost a second each.
Measured at 1 % loss, 512-byte blocks: a fixed second gave 0.05 MB/s, this gives 3.
"""

from __future__ import annotations

from typing import Final

INITIAL_S: Final = 0.5
FLOOR_S: Final = 0.015
CEILING_S: Final = 3.0
ROUND_TRIPS: Final = 4
BACKOFF: Final = 1.5
GAIN: Final = 1 / 8  # RFC 6298
QUICK_TRIES: Final = 6
LONG_S: Final = 6.0


class RoundTrip:
    """The smoothed round trip of one transfer and the retransmission time that follows from it.

    After QUICK_TRIES in a row it waits longer than the client does. atftp restarts its own 5 s
    with every block that comes, ignores one that it has, and repeats the ACK that was lost only
    when they are over: quick retransmissions alone would keep it from ever doing so.
    """

    def __init__(self, client_timeout_s: float | None = None) -> None:
        """client_timeout_s: what the client said of itself (RFC 2349), None if nothing."""
        self._ceiling_s = min(client_timeout_s or CEILING_S, CEILING_S)
        self._long_s = max(LONG_S, (client_timeout_s or 0) + 1)
        self._factor = 1.0
        self._tries = 0
        self.smoothed_s: float | None = None

    def measured(self, sample_s: float) -> None:
        """An answer came to something that was sent only once, after so many seconds."""
        self._factor = 1.0
        before = self.smoothed_s
        self.smoothed_s = sample_s if before is None else before + GAIN * (sample_s - before)

    def answered(self) -> None:
        """Something new was acknowledged."""
        self._tries = 0

    def expired(self) -> None:
        """Nothing came in time: wait longer next time, for it may be the network that is slow."""
        self._tries += 1
        self._factor *= BACKOFF

    @property
    def timeout_s(self) -> float:
        """Seconds to wait for the answer to what is sent now."""
        if self._tries and self._tries % QUICK_TRIES == 0:
            return self._long_s
        if self.smoothed_s is None:
            ordinary_s = INITIAL_S
        else:
            ordinary_s = max(FLOOR_S, ROUND_TRIPS * self.smoothed_s)
        return min(ordinary_s * self._factor, self._ceiling_s)
