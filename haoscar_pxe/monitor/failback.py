"""An active standby that hands over to the primary by itself, where the site wants that.

When is `returning.Steadiness`'s to say; how is the monitor's planned move, with all that may refuse
it. A move that was refused is said, and tried again after the whole time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from haoscar_pxe.errors import FailoverError
from haoscar_pxe.monitor.history import History
from haoscar_pxe.monitor.returning import Steadiness

LOOKS_S: Final = 1.0


class Failback:
    """The standby's. could: whether it is active, and the primary would take over now."""

    def __init__(
        self,
        could: Callable[[], bool],
        move: Callable[[str], Awaitable[str]],
        history: History,
        after_s: float,
    ) -> None:
        self._could = could
        self._move = move
        self._history = history
        self._after_s = after_s

    async def keep(self) -> None:
        """Look again and again, for ever."""
        steady = Steadiness()
        while True:
            await asyncio.sleep(LOOKS_S)
            now = time.monotonic()
            steady = steady.seen(now, could=self._could())
            if steady.lasts(now, self._after_s):
                await self._hand_over()
                steady = Steadiness()

    async def _hand_over(self) -> None:
        try:
            await self._move(f"failback: the primary could take over for {self._after_s:g} s")
        except FailoverError as error:
            self._history.note("not moved", str(error), level="alert")
