"""The monitor of one member: it looks after a keeper, and does what follows from its reports.

On a head: addresses and services follow the lease. On the witness it only keeps the keeper alive,
and the promises durable. Everything slow is here, and nothing here is needed to fall silent: that
does the kernel, by itself, when the keeper does not renew the lease.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from haoscar_pxe.command import Run
from haoscar_pxe.config_failover import FailoverConfig
from haoscar_pxe.errors import FailoverError
from haoscar_pxe.monitor.addresses import Addresses
from haoscar_pxe.monitor.care import KeeperCare, Wishes
from haoscar_pxe.monitor.failback import Failback
from haoscar_pxe.monitor.fencing import Fence
from haoscar_pxe.monitor.history import History
from haoscar_pxe.monitor.lease import Member
from haoscar_pxe.monitor.looking import look
from haoscar_pxe.monitor.past import Past, read_past, write_past
from haoscar_pxe.monitor.policy import Circumstances, unwilling, why_not_move
from haoscar_pxe.monitor.promise import Promises
from haoscar_pxe.monitor.reports import PeerReport, Report, Settings
from haoscar_pxe.monitor.returning import recent
from haoscar_pxe.monitor.services import Services
from haoscar_pxe.monitor.standing import Standing, active_in, standing
from haoscar_pxe.monitor.watching import Watcher
from haoscar_pxe.monitor.writing import Writing, stop_writing

ANNOUNCED_AFTER_S: Final = (0.05, 0.2, 1.0, 5.0)
ORDERS_EVERY_S: Final = 0.25
RESTART_S: Final = 1.0
MOVE_S: Final = 5.0
"""How long a planned move may take before it is given up."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a monitor works on. age: of the generation that this machine is, None if it is none;
    hold: called when this head becomes active, so that no sync undoes what it does; let_go: when a
    person says that nothing here is newer than elsewhere.
    """

    folder: Path
    run: Run
    age: Callable[[], float | None]
    hold: Callable[[int], None]
    let_go: Callable[[], None]


class Monitor:
    """The monitor of one member. `run` runs it until it is cancelled."""

    def __init__(
        self, config: FailoverConfig, settings: Settings, around: Surroundings, promises: Promises
    ) -> None:
        self._config = config
        self._settings = settings
        self._around = around
        self._name = settings.member.name.lower()
        self._history = History(around.folder, self._name, config.alert, config.mail)
        self._guard = settings.guard
        self._addresses = Addresses(self._guard.addresses if self._guard else ())
        argv = config.fence_standby if self._name == "primary" else config.fence_primary
        self._writing = Writing(
            settings.member,
            Fence(argv, config.fence_timeout_s, self._history),
            self._history,
            lambda: self._report,
        )
        self._services = Services(
            config.service if self._guard else (), self._history, self._writing.is_safe
        )
        self._past = read_past(around.folder, self._name)
        self._keeper = KeeperCare(
            replace(settings, tenures=self._past.tenures),
            promises,
            self._history,
            self._install_guard,
            self._heard,
            self._keeper_ended,
        )
        self._moving = ""
        self._serving = False
        self._active_since: tuple[Member | None, int] = (None, 0)
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._announcing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Watch, take over, give up, until it is cancelled; then fall silent and stop what runs."""
        self._install_guard()
        self._addresses.vanish()
        self._keeper.start()
        self._spawn(self._services.keep())
        self._spawn(self._give_orders())
        if self._config.check:
            watcher = Watcher(
                self._services, self._history, look, self.move, self._config.move_every_s
            )
            self._spawn(watcher.keep(self._config.check))
        if self._settings.member is Member.STANDBY and self._config.failback == "automatic":
            failback = Failback(
                lambda: self._circumstances().can_fail_back,
                self.move,
                self._history,
                self._config.failback_after_s,
            )
            self._spawn(failback.keep())
        try:
            await self._broken
        finally:
            await self._end()

    async def move(self, reason: str) -> str:
        """Hand over to the other head. Raises FailoverError: it cannot take over, or does not."""
        if why_not := why_not_move(self._circumstances()):
            raise FailoverError(f"nothing is moved: {why_not}")
        self._history.note("switchover", reason or "asked for by the administrator")
        try:
            await stop_writing(self._services, self._config.stops_within_s)
        except FailoverError:
            self._follow_writing()
            raise
        self._moving = "is being moved to the other head"
        self._wish()
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
        self._wish()
        return f"in maintenance: {reason}" if reason else "not in maintenance"

    def rejoin(self) -> str:
        """The administrator says that nothing on this head is newer than on the other one."""
        tenures = self._past.tenures
        settled = max(tenures.primary, tenures.standby)
        self._remember(replace(self._past, settled=settled, rejoined_s=()))
        if not self._report.is_active:
            self._around.let_go()
        self._history.note("rejoined", "the administrator settled what the two heads have")
        self._wish()
        return "may take over again"

    def standing(self) -> Standing:
        """How everything stands, for `status`."""
        return standing(
            self._settings.member,
            self._report,
            unwilling(self._circumstances()),
            self._past,
            self._services,
            has_fence=self._writing.has_fence,
            age_s=self._around.age(),
            since_ns=self._active_since[1],
            events=self._history.events(),
        )

    @property
    def _report(self) -> Report:
        return self._keeper.report

    @property
    def _other(self) -> PeerReport | None:
        return self._report.other_head(self._settings.member)

    @property
    def _rejoined_s(self) -> tuple[int, ...]:
        return recent(self._past.rejoined_s, int(time.time()), self._config.rejoin_window_s)

    def _circumstances(self) -> Circumstances:
        return Circumstances(
            is_active=self._report.is_active,
            past=self._past,
            down=self._addresses.down(),
            moving=self._moving,
            age_s=self._around.age() if self._config.oldest_s else None,
            oldest_s=self._config.oldest_s,
            rejoins=self._config.rejoin == "automatic",
            rejoined=len(self._rejoined_s),
            rejoin_limit=self._config.rejoin_limit,
            other=self._other,
        )

    def _install_guard(self) -> None:
        if self._guard is not None:
            hint = "the guard needs nftables: 'apt-get install nftables'"
            self._around.run(["nft", "-f", "-"], stdin=self._guard.ruleset().encode(), hint=hint)

    def _heard(self) -> None:
        """The keeper's report changed: first what follows from it, then what is written down."""
        self._follow()
        active, _ = active_in(self._settings.member, self._report)
        if active is not self._active_since[0]:
            self._active_since = (active, 0 if active is None else time.time_ns())
        tenures = self._past.tenures.merged(self._report.tenures)
        if tenures != self._past.tenures:
            self._remember(replace(self._past, tenures=tenures))
        self._services.look_again()

    def _keeper_ended(self) -> None:
        self._addresses.vanish()
        self._spawn(self._restart_keeper())

    async def _restart_keeper(self) -> None:
        await asyncio.sleep(RESTART_S)
        self._keeper.start()
        self._wish()

    def _wish(self) -> None:
        now = self._circumstances()
        self._keeper.wish(
            Wishes(
                unwilling=unwilling(now),
                is_fit=not now.down,
                is_stopped=self._services.is_stopped,
                settled=self._past.settled,
                waits=now.waits,
            )
        )

    async def _give_orders(self) -> None:
        """Say again and again what is wanted: interfaces and services change."""
        while True:
            self._keeper.notice_silence()
            self._wish()
            await asyncio.sleep(ORDERS_EVERY_S)

    def _follow(self) -> None:
        """Addresses and services follow the door."""
        if self._report.is_active and not self._serving:
            self._take_over()
        elif not self._report.is_active and self._serving:
            self._give_up(self._report.ended)

    def _take_over(self) -> None:
        """The keeper has the addresses already; what is slow follows here."""
        self._serving = True
        epoch = self._writing.reign = self._report.tenure
        self._announcing = self._spawn(self._announce_again())
        self._history.note("active", self._report.reason, epoch)
        if self._report.trouble:
            self._history.note("address missing", self._report.trouble, epoch, "alert")
        self._count_rejoin(epoch)
        tenures = self._past.tenures.known(self._settings.member, epoch)
        self._remember(replace(self._past, tenures=tenures))
        try:
            self._around.hold(epoch)
        except OSError as error:
            self._history.note("no hold", f"a sync could undo this tenure: {error}", epoch, "alert")
        self._follow_writing()

    def _count_rejoin(self, epoch: int) -> None:
        """Remember that this head took over although it had been replaced, and say if once more
        would be too often. Before the new tenure is known it still counts as replaced.
        """
        if not (self._past.was_replaced and self._config.rejoin_limit):
            return
        self._past = replace(self._past, rejoined_s=(*self._rejoined_s, int(time.time())))
        if self._circumstances().is_flapping:
            limit, window_s = self._config.rejoin_limit, self._config.rejoin_window_s
            said = f"came back by itself as often as it may ({limit} in {window_s} s)"
            hint = "replaced again, it waits for 'rejoin', or for the other head's death"
            self._history.note("flapping", f"{said}; {hint}", epoch, "alert")

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
        self._wish()  # that they may be running here is said before one is started
        if any(each.writes_shared_data for each in self._config.service):
            self._spawn(self._writing.make_safe(self._writing.reign, self._services))

    def _give_up(self, reason: str) -> None:
        """The keeper has removed the addresses; it may have them again when this is heard."""
        self._serving = False
        if self._announcing is not None:
            self._announcing.cancel()
        self._services.want(network=False, writing=False)
        self._history.note("passive", reason, self._past.tenures.of(self._settings.member))

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
        self._keeper.close()
        self._addresses.vanish()
        if self._serving:
            self._give_up("the monitor was stopped")
        with suppress(TimeoutError):
            async with asyncio.timeout(60):
                await self._services.settled()
        for task in tuple(self._tasks):
            task.cancel()
        self._addresses.close()
        self._history.close()
