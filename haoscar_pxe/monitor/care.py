"""Looking after a keeper: its process, its promises on the disk, the guard that it works with.

What it reports is kept here. A keeper that ends is started again; one that is silent for longer
than its lease has lost it, whatever it said last; a guard that it found gone is put back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from haoscar_pxe.errors import HaoscarError
from haoscar_pxe.monitor.history import History
from haoscar_pxe.monitor.keeper_link import KeeperLink
from haoscar_pxe.monitor.promise import RESERVE, Promises
from haoscar_pxe.monitor.reports import REPORT_EVERY_NS, Orders, Report, Settings

NOTHING_YET: Final = Report(False, 0, None, "was just started", 0)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the monitor wants of its keeper; as in Orders."""

    unwilling: str
    is_fit: bool
    is_stopped: bool
    settled: int = 0
    waits: bool = True


class KeeperCare:
    """A keeper and what it needs.

    install_guard: makes the guard's tables, with a shut door; nothing on the witness. changed:
    called when a report came, or was taken back. ended: called when the process is gone.
    """

    def __init__(
        self,
        settings: Settings,
        promises: Promises,
        history: History,
        install_guard: Callable[[], None],
        changed: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self.report = NOTHING_YET
        self._settings = settings
        self._promises = promises
        self._history = history
        self._install_guard = install_guard
        self._changed = changed
        self._ended = ended
        self._wishes = Wishes("its monitor was just started", False, False)
        self._link: KeeperLink | None = None
        self._heard_at = time.monotonic()
        self._guards = 0

    def start(self) -> None:
        """Start the process, or start it again. Promises first: it grants nothing beyond them."""
        self.close()
        self._promises.raise_to(self._promises.limit + RESERVE)
        settings = replace(
            self._settings,
            promised=self._promises.limit - RESERVE,
            tenures=self._settings.tenures.merged(self.report.tenures),
        )
        self._link = KeeperLink(settings, self._heard, self._gone)
        self._guards = 0
        self._order()

    def wish(self, wishes: Wishes) -> None:
        """Say what is wanted, again and again: a keeper without orders gives the lease back."""
        self._wishes = wishes
        self._order()

    def notice_silence(self) -> None:
        """Take the last report back if the lease must be over since."""
        silent_s = time.monotonic() - self._heard_at
        limit_s = (self._settings.terms.lease_ns + 2 * REPORT_EVERY_NS) / 1e9
        if self.report.is_active and silent_s > limit_s:
            self._take_back(f"its keeper has said nothing for {silent_s:.1f} s")

    def close(self) -> None:
        """End the process, the door first."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def _order(self) -> None:
        if self._link is not None:
            wishes = self._wishes
            self._link.order(
                Orders(
                    unwilling=wishes.unwilling,
                    is_fit=wishes.is_fit,
                    is_stopped=wishes.is_stopped,
                    limit=self._promises.limit,
                    guards=self._guards,
                    settled=wishes.settled,
                    waits=wishes.waits,
                )
            )

    def _heard(self, report: Report) -> None:
        self.report, self._heard_at = report, time.monotonic()
        self._changed()
        if report.highest > self._promises.limit - RESERVE // 2:
            self._raise_promise(report.highest)
        if report.guards_gone > self._guards:
            self._restore_guard(report)

    def _gone(self) -> None:
        self._take_back("its keeper ended")
        self._ended()

    def _take_back(self, why: str) -> None:
        self._history.note("keeper lost", why, self.report.tenure, "alert")
        self.report = replace(self.report, is_active=False, ended=why, peers=())
        self._changed()

    def _raise_promise(self, highest: int) -> None:
        try:
            self._promises.raise_to(highest + RESERVE)
        except HaoscarError as error:
            self._history.note("promise not written", str(error), level="alert")
        self._order()

    def _restore_guard(self, report: Report) -> None:
        self._history.note("guard gone", report.ended or report.reason, level="alert")
        try:
            self._install_guard()
        except HaoscarError as error:
            self._history.note("guard not restored", str(error), level="alert")
            return
        self._guards = report.guards_gone
        self._order()
