"""When services that write shared data may run on this head.

They start only when the other head is known not to write: it says that it stopped them, or a fence
took its power away in this very tenure. They are stopped before anything moves away as planned.
What follows the addresses at once is `services.py`'s alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from haoscar_pxe.errors import FailoverError
from haoscar_pxe.monitor.fencing import Fence
from haoscar_pxe.monitor.history import History
from haoscar_pxe.monitor.lease import Member
from haoscar_pxe.monitor.policy import may_write
from haoscar_pxe.monitor.reports import Report
from haoscar_pxe.monitor.services import Services

WORD_S: Final = 1.0
"""How long the other head's word that it stopped is waited for, before it is fenced."""


class Writing:
    """Whether this head may write. report: how the keeper stands now.

    reign: the epoch in which this head became active last.
    """

    def __init__(
        self, me: Member, fence: Fence, history: History, report: Callable[[], Report]
    ) -> None:
        self.reign = 0
        self._me = me
        self._fence = fence
        self._history = history
        self._report = report

    @property
    def has_fence(self) -> bool:
        """Whether the other head's power can be taken away."""
        return self._fence.is_there

    def is_safe(self) -> bool:
        """Whether the other head is known not to write."""
        other = self._report().other_head(self._me)
        heard = bool(other and other.is_fresh and other.is_stopped and not other.is_active)
        return may_write(
            stopped_by_other=heard, fenced_epoch=self._fence.fenced_epoch, epoch=self.reign
        )

    async def make_safe(self, epoch: int, services: Services) -> None:
        """Wait shortly for the other head's word that it stopped; then take its power away."""
        await asyncio.sleep(WORD_S)
        if self.is_safe() or not self._report().is_active or self.reign != epoch:
            return
        if not self._fence.is_there:
            waiting = ", ".join(services.waiting)
            self._history.note(
                "not started",
                f"{waiting}: the other head may still write, and there is no fence",
                epoch,
                "alert",
            )
        elif await self._fence.confirm(epoch):
            services.look_again()


async def stop_writing(services: Services, within_s: float) -> None:
    """Before anything moves. Raises FailoverError: something does not stop."""
    services.want(network=True, writing=False)
    try:
        async with asyncio.timeout(within_s):
            await services.settled()
    except TimeoutError as error:
        raise FailoverError(
            f"nothing is moved: {', '.join(services.writing)} did not stop",
            hint="'haoscar-pxe failover events' says what the stop command said",
        ) from error
