"""Looks after the services that run on the active head, each check in its own rhythm."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from haoscar_pxe.config_failover import ServiceCheck
from haoscar_pxe.errors import FailoverError
from haoscar_pxe.monitor.health import Act, Health, Result
from haoscar_pxe.monitor.history import History
from haoscar_pxe.monitor.services import Services

Look: TypeAlias = Callable[[ServiceCheck], tuple[Result, str]]
Move: TypeAlias = Callable[[str], Awaitable[str]]


class Watcher:
    """The checks of one head. look: takes at most the check's time. move: away from this head."""

    def __init__(
        self, services: Services, history: History, look: Look, move: Move, move_every_s: float
    ) -> None:
        self._services = services
        self._history = history
        self._look = look
        self._move = move
        self._move_every_s = move_every_s
        self._moved_at: float | None = None

    async def keep(self, checks: Sequence[ServiceCheck]) -> None:
        """Do all of them, for ever."""
        async with asyncio.TaskGroup() as group:
            for check in checks:
                group.create_task(self._keep(check))

    async def _keep(self, check: ServiceCheck) -> None:
        health = Health(check)
        while True:
            await asyncio.sleep(check.every_s)
            if check.service not in self._services.running:
                health = Health(check, restarts=health.restarts)
                continue
            result, seen = await asyncio.to_thread(self._look, check)
            health, act = health.seen(result, time.monotonic())
            await self._do(act, check, result, seen)

    async def _do(self, act: Act, check: ServiceCheck, result: Result, seen: str) -> None:
        match act:
            case Act.RESTART:
                self._history.note(f"restart of {check.service}", seen, level="alert")
                self._services.restart(check.service)
            case Act.ALERT:
                self._history.note(f"{check.service} is {result.value}", seen, level="alert")
            case Act.MOVE:
                await self._move_away(check, seen)
            case Act.NOTHING:
                pass

    async def _move_away(self, check: ServiceCheck, seen: str) -> None:
        """Let the other head try; not again and again, because it may be no better there."""
        now = time.monotonic()
        if self._moved_at is not None and now - self._moved_at < self._move_every_s:
            said = f"{check.service}: it was moved away from here a short while ago"
            self._history.note("not moved", said, level="alert")
            return
        try:
            await self._move(f"{check.service} does not work here: {seen}")
            self._moved_at = now
        except FailoverError as error:
            self._history.note("not moved", str(error), level="alert")
