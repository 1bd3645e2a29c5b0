"""The monitor of one member: it looks after a keeper, and does what follows from its reports.

On a head: addresses and services follow the lease. On the witness it only keeps the keeper alive,
and the promises durable. Everything slow is here, and nothing here is needed to fall silent: that
does the kernel, by itself, when the keeper does not renew the lease.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from haoscar_pxe.command import Run
from haoscar_pxe.config_failover import FailoverConfig
from haoscar_pxe.errors import FailoverError, HaoscarError
from haoscar_pxe.monitor.addresses import Addresses
from haoscar_pxe.monitor.fencing import Fence
from haoscar_pxe.monitor.guard import Guard
from haoscar_pxe.monitor.history import History
from haoscar_pxe.monitor.keeper_link import KeeperLink
from haoscar_pxe.monitor.lease import Member
from haoscar_pxe.monitor.past import Past, read_past, write_past
from haoscar_pxe.monitor.policy import Circumstances, may_write, unwilling, why_not_move
from haoscar_pxe.monitor.promise import RESERVE, Promises
from haoscar_pxe.monitor.reports import (
    ORDERS_EVERY_S,
    REPORT_EVERY_NS,
    Orders,
    PeerReport,
    Report,
    Settings,
)
from haoscar_pxe.monitor.services import Services
from haoscar_pxe.monitor.standing import Standing, standing

log = logging.getLogger(__name__)

ANNOUNCED_AFTER_S: Final = (0.05, 0.2, 1.0, 5.0)
LOOK_EVERY_S: Final = 0.25
RESTART_S: Final = 1.0
MOVE_S: Final = 5.0
"""How long a planned move may take before it is given up."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a monitor works on. age: of the generation that this machine is, None if it is none;
    hold: called when this head becomes active, so that no sync undoes what it does.
    """

    folder: Path
    run: Run
    age: Callable[[], float | None]
    hold: Callable[[int], None]


class Monitor:
    """The monitor of one member. `run` runs it until it is cancelled."""

    def __init__(
        self, config: FailoverConfig, settings: Settings, around: Surroundings, promises: Promises
    ) -> None:
        self._config = config
        self._settings = settings
        self._around = around
        self._promises = promises
        self._name = settings.member.name.lower()
        self._history = History(around.folder, self._name, config.alert)
        self._guard = settings.guard
        self._addresses = Addresses(self._guard.addresses if self._guard else ())
        self._services = Services(
            config.service if self._guard else (), self._history, self._may_write
        )
        argv = config.fence_standby if self._name == "primary" else config.fence_primary
        self._fence = Fence(argv, config.fence_timeout_s, self._history)
        self._past = read_past(around.folder, self._name)
        self._link: KeeperLink | None = None
        self._report = Report(False, 0, None, "was just started", 0)
        self._heard_at = time.monotonic()
        self._moving = ""
        self._guards = 0
        self._serving = False
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._announcing: asyncio.Task[None] | None = None

    @property
    def history(self) -> History:
        """The events of this member."""
        return self._history

    async def run(self) -> None:
        """Watch, take over, give up, until it is cancelled; then fall silent and stop what runs."""
        if self._guard is not None:
            self._install_guard(self._guard)
            self._addresses.vanish()
        self._start_keeper()
        self._spawn(self._services.keep())
        self._spawn(self._give_orders())
        try:
            await self._broken
        finally:
            await self._end()

    async def move(self, reason: str) -> str:
        """Hand over to the other head. Raises FailoverError: it cannot take over, or does not."""
        if why_not := why_not_move(self._circumstances()):
            raise FailoverError(f"nothing is moved: {why_not}")
        self._history.note("switchover", reason or "asked for by the administrator")
        self._services.want(network=True, writing=False)
        await self._services.settled()
        self._moving = "is being moved to the other head"
        self._order()
        try:
            async with asyncio.timeout(MOVE_S):
                while not (self._other and self._other.is_fresh and self._other.is_active):
                    await asyncio.sleep(0.01)
        except TimeoutError as error:
            raise FailoverError(
                f"the other head did not take over within {MOVE_S:g} s; this one is free to again",
                hint="'haoscar-pxe failover status' on both heads says why",
            ) from error
        finally:
            self._moving = ""
            self._follow_writing()
        return "the other head is active"

    def maintain(self, reason: str) -> str:
        """Keep this head out of everything, or with "" let it in again."""
        if reason and self._report.is_active:
            raise FailoverError(
                "this head is active", hint="'haoscar-pxe failover switchover' first"
            )
        self._remember(replace(self._past, maintenance=reason))
        self._history.note("maintenance", reason or "ended")
        self._order()
        return f"in maintenance: {reason}" if reason else "not in maintenance"

    def rejoin(self) -> str:
        """The administrator says that nothing on this head is newer than on the other one."""
        self._remember(replace(self._past, settled=max(self._past.settled, self._highest_tenure())))
        self._history.note("rejoined", "the administrator settled what the two heads have")
        self._order()
        return "may take over again"

    def standing(self) -> Standing:
        """How everything stands, for `status`."""
        return standing(
            self._settings.member,
            self._report,
            unwilling(self._circumstances()),
            self._past,
            self._services,
            has_fence=self._fence.is_there,
            age_s=self._around.age(),
            events=self._history.events(),
        )

    @property
    def _other(self) -> PeerReport | None:
        heads = (Member.PRIMARY, Member.STANDBY)
        me = self._settings.member
        return next(
            (p for p in self._report.peers if p.member in heads and p.member is not me), None
        )

    def _highest_tenure(self) -> int:
        return max(self._past.tenure, self._past.other_tenure)

    def _circumstances(self) -> Circumstances:
        return Circumstances(
            is_active=self._report.is_active,
            past=self._past,
            down=self._addresses.down(),
            moving=self._moving,
            age_s=self._around.age() if self._config.oldest_s else None,
            oldest_s=self._config.oldest_s,
            rejoins=self._config.rejoin == "automatic",
            other=self._other,
        )

    def _may_write(self) -> bool:
        other = self._other
        heard = bool(other and other.is_fresh and other.is_stopped and not other.is_active)
        return may_write(
            stopped_by_other=heard,
            fenced_epoch=self._fence.fenced_epoch,
            epoch=self._report.tenure,
        )

    def _install_guard(self, guard: Guard) -> None:
        hint = "the guard needs nftables: 'apt-get install nftables'"
        self._around.run(["nft", "-f", "-"], stdin=guard.ruleset().encode(), hint=hint)

    def _start_keeper(self) -> None:
        self._promises.raise_to(self._promises.limit + RESERVE)
        promised = self._promises.limit - RESERVE
        settings = replace(self._settings, promised=promised)
        self._link = KeeperLink(settings, self._heard, self._keeper_ended)
        self._guards = 0
        self._order()

    def _heard(self, report: Report) -> None:
        self._report = report
        self._heard_at = time.monotonic()
        self._follow()
        if report.highest > self._promises.limit - RESERVE // 2:
            self._raise_promise(report.highest)
        if report.guards_gone > self._guards and self._guard is not None:
            self._restore_guard(self._guard, report.guards_gone)
        if report.is_active and report.tenure > self._past.tenure:
            self._remember(replace(self._past, tenure=report.tenure))
        other = self._other
        if other and other.is_active and other.tenure > self._past.other_tenure:
            self._remember(replace(self._past, other_tenure=other.tenure))
        self._services.look_again()

    def _notice_silence(self) -> None:
        """A keeper that is frozen has lost the lease by now, whatever it said last."""
        silent_s = time.monotonic() - self._heard_at
        limit_s = (self._settings.terms.lease_ns + 2 * REPORT_EVERY_NS) / 1e9
        if self._report.is_active and silent_s > limit_s:
            said = f"its keeper has said nothing for {silent_s:.1f} s"
            self._history.note("keeper silent", said, self._report.tenure, "alert")
            self._report = replace(self._report, is_active=False, ended=said, peers=())
            self._follow()

    def _keeper_ended(self) -> None:
        self._addresses.vanish()
        self._history.note(
            "keeper ended", "the process is gone; it is started again", level="alert"
        )
        self._report = replace(self._report, is_active=False, ended="its keeper ended", peers=())
        self._follow()
        self._spawn(self._restart_keeper())

    async def _restart_keeper(self) -> None:
        await asyncio.sleep(RESTART_S)
        if self._link is not None:
            self._link.close()
        self._start_keeper()

    def _raise_promise(self, highest: int) -> None:
        try:
            self._promises.raise_to(highest + RESERVE)
        except FailoverError as error:
            self._history.note("promise not written", str(error), level="alert")
        self._order()

    def _restore_guard(self, guard: Guard, gone: int) -> None:
        self._history.note("guard gone", self._report.ended or self._report.reason, level="alert")
        try:
            self._install_guard(guard)
        except HaoscarError as error:
            self._history.note("guard not restored", str(error), level="alert")
            return
        self._guards = gone
        self._order()

    def _order(self) -> None:
        if self._link is None:
            return
        now = self._circumstances()
        self._link.order(
            Orders(
                unwilling=unwilling(now),
                is_fit=not now.down,
                is_stopped=self._services.is_stopped,
                limit=self._promises.limit,
                guards=self._guards,
            )
        )

    async def _give_orders(self) -> None:
        """Say again and again what is wanted; at once when an interface or service changed."""
        told: object = None
        due = 0.0
        while True:
            self._notice_silence()
            now = self._circumstances()
            wanted = (unwilling(now), now.down, self._services.is_stopped)
            if wanted != told or time.monotonic() >= due:
                self._order()
                told, due = wanted, time.monotonic() + ORDERS_EVERY_S
            await asyncio.sleep(LOOK_EVERY_S)

    def _follow(self) -> None:
        """Addresses and services follow the door."""
        if self._report.is_active and not self._serving:
            self._take_over()
        elif not self._report.is_active and self._serving:
            self._give_up()

    def _take_over(self) -> None:
        """The keeper has the addresses already; what is slow follows here."""
        self._serving = True
        epoch = self._report.tenure
        self._announcing = self._spawn(self._announce_again())
        self._history.note("active", self._report.reason, epoch)
        if self._report.trouble:
            self._history.note("address missing", self._report.trouble, epoch, "alert")
        self._remember(replace(self._past, tenure=epoch))
        try:
            self._around.hold(epoch)
        except OSError as error:
            self._history.note("no hold", f"a sync could undo this tenure: {error}", epoch, "alert")
        self._follow_writing()

    async def _announce_again(self) -> None:
        """The first announcement may be lost, or come before a switch is ready."""
        passed = 0.0
        for after in ANNOUNCED_AFTER_S:
            await asyncio.sleep(after - passed)
            passed = after
            self._addresses.announce()

    def _follow_writing(self) -> None:
        """Start what runs on the active head, and fence first where that is needed."""
        if not self._report.is_active:
            return
        self._services.want(network=True, writing=True)
        if any(each.writes_shared_data for each in self._config.service):
            self._spawn(self._make_safe_to_write(self._report.tenure))

    async def _make_safe_to_write(self, epoch: int) -> None:
        """Wait shortly for the other head's word that it stopped; then take its power away."""
        await asyncio.sleep(1)
        if self._may_write() or not self._report.is_active or self._report.tenure != epoch:
            return
        if not self._fence.is_there:
            waiting = ", ".join(self._services.waiting)
            self._history.note(
                "not started",
                f"{waiting}: the other head may still write, and there is no fence",
                epoch,
                "alert",
            )
        elif await self._fence.confirm(epoch):
            self._services.look_again()

    def _give_up(self) -> None:
        """The keeper has removed the addresses; it may have them again when this is heard."""
        self._serving = False
        if self._announcing is not None:
            self._announcing.cancel()
        self._services.want(network=False, writing=False)
        self._history.note("passive", self._report.ended, self._past.tenure)

    def _remember(self, past: Past) -> None:
        self._past = past
        try:
            write_past(self._around.folder, past)
        except OSError as error:
            self._history.note("past not written", str(error), level="alert")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task; a defect in it ends the monitor instead of being forgotten."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._broken.done():
            self._broken.set_exception(error)

    async def _end(self) -> None:
        """Door, addresses, services, in this order."""
        if self._link is not None:
            self._link.close()
        self._addresses.vanish()
        self._report = replace(self._report, is_active=False, ended="the monitor was stopped")
        if self._serving:
            self._give_up()
        with suppress(TimeoutError):
            async with asyncio.timeout(60):
                await self._services.settled()
        for task in tuple(self._tasks):
            task.cancel()
        self._addresses.close()
        self._history.close()
