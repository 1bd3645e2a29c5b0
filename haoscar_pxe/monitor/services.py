"""What runs on the active head alone: started in the configured order, stopped against it.

Two classes. Network services start as soon as the addresses are here. Services that write shared
data start only when the other head is known not to run them; until then they wait, and events say
why. A start that fails is an event; what comes after it is started all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from haoscar_pxe.command import run
from haoscar_pxe.config_failover import ActiveService
from haoscar_pxe.errors import HaoscarError
from haoscar_pxe.monitor.history import History


class Services:
    """The services of one head. may_write: whether the other head is known not to write."""

    def __init__(
        self, services: Sequence[ActiveService], history: History, may_write: Callable[[], bool]
    ) -> None:
        self._services = tuple(services)
        self._history = history
        self._may_write = may_write
        self._wanted: frozenset[bool] = frozenset()
        self._unsure = {service.name: service for service in services}
        self._running: dict[str, ActiveService] = {}
        self._failed: set[str] = set()
        self._again: set[str] = set()
        self._changed = asyncio.Event()

    @property
    def running(self) -> tuple[str, ...]:
        """The names of those that were started here."""
        return tuple(self._running)

    @property
    def is_stopped(self) -> bool:
        """Whether none that writes shared data runs here, as far as stopping it said."""
        return not self.writing

    @property
    def writing(self) -> tuple[str, ...]:
        """The names of those that write shared data and may be running here."""
        left = {**self._unsure, **self._running}
        return tuple(name for name, service in left.items() if service.writes_shared_data)

    @property
    def waiting(self) -> tuple[str, ...]:
        """The names of those that are wanted and not running."""
        wanted = [each for each in self._services if each.writes_shared_data in self._wanted]
        return tuple(each.name for each in wanted if each.name not in self._running)

    def want(self, *, network: bool, writing: bool) -> None:
        """Which of the two classes shall run here; `keep` makes it so."""
        wanted = {False} if network else set()
        self._wanted = frozenset(wanted | ({True} if writing else set()))
        if writing:  # from now on nobody may rely on their being stopped
            each_writing = (each for each in self._services if each.writes_shared_data)
            self._unsure |= {s.name: s for s in each_writing if s.name not in self._running}
        self._failed.clear()
        self._changed.set()

    def look_again(self) -> None:
        """Something changed that a start may have waited for."""
        self._changed.set()

    def restart(self, name: str) -> None:
        """Stop a service that runs here, and start it again."""
        if name in self._running:
            self._again.add(name)
            self._failed.discard(name)
            self._changed.set()

    async def keep(self) -> None:
        """Start and stop one after the other, for ever. What is wanted may change meanwhile."""
        while True:
            step = self._next()
            if step is None:
                self._changed.clear()
                await self._changed.wait()
                continue
            service, starts = step
            await (self._start(service) if starts else self._stop(service))

    async def settled(self) -> None:
        """Until nothing is left to start or stop."""
        while self._next() is not None:
            await asyncio.sleep(0.01)

    def _next(self) -> tuple[ActiveService, bool] | None:
        """What to do first: stop what is not wanted, the last one first; then start."""
        for service in reversed(self._services):
            is_there = service.name in self._running or service.name in self._unsure
            is_wanted = service.writes_shared_data in self._wanted
            if is_there and not (is_wanted and service.name not in self._again):
                return service, False
        for service in self._services:
            if service.name in self._running or service.name in self._failed:
                continue
            if service.writes_shared_data not in self._wanted:
                continue
            if not service.writes_shared_data or self._may_write():
                return service, True
        return None

    async def _start(self, service: ActiveService) -> None:
        self._unsure[service.name] = service
        if await self._do(service, service.start_argv, "start"):
            self._running[service.name] = service
            self._unsure.pop(service.name, None)
        else:
            self._failed.add(service.name)

    async def _stop(self, service: ActiveService) -> None:
        """One that does not stop is unsure for ever: the other head may not write then."""
        self._again.discard(service.name)
        if await self._do(service, service.stop_argv, "stop"):
            self._unsure.pop(service.name, None)
            self._running.pop(service.name, None)
        else:
            await asyncio.sleep(1)

    async def _do(self, service: ActiveService, argv: Sequence[str], verb: str) -> bool:
        try:
            await asyncio.to_thread(run, argv, timeout_s=service.timeout_s)
        except HaoscarError as error:
            self._history.note(f"cannot {verb} {service.name}", str(error), level="alert")
            return False
        return True
