"""Taking the other head's power away, by the site's own program, once in a tenure.

The well-kept programs for it are Debian's fence-agents (Redfish, IPMI, hypervisors). The program
is told the epoch in HAOSCAR_PXE_EPOCH, and must end with 0 only when the power is gone.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from haoscar_pxe.command import run
from haoscar_pxe.errors import HaoscarError
from haoscar_pxe.monitor.history import History

EPOCH_VARIABLE = "HAOSCAR_PXE_EPOCH"


class Fence:
    """The fence of one head against the other. argv: empty if the site has none."""

    def __init__(self, argv: Sequence[str], timeout_s: int, history: History) -> None:
        self._argv = tuple(argv)
        self._timeout_s = timeout_s
        self._history = history
        self.fenced_epoch = 0

    @property
    def is_there(self) -> bool:
        """Whether the site has one."""
        return bool(self._argv)

    async def confirm(self, epoch: int) -> bool:
        """Take the power away; whether that is confirmed."""
        env = {**os.environ, EPOCH_VARIABLE: str(epoch)}
        try:
            await asyncio.to_thread(run, self._argv, timeout_s=self._timeout_s, env=env)
        except HaoscarError as error:
            self._history.note("fence failed", str(error), epoch, "alert")
            return False
        self.fenced_epoch = epoch
        self._history.note("fenced", "the other head is without power", epoch)
        return True
