"""Slow HTTP clients come to an end: each would keep a descriptor for as long as it likes.

A client has so many seconds from its connection to the end of its first request's head, so many
for a body, and so many in which it takes nothing of what it is sent (TCP_USER_TIMEOUT of tcp(7),
set on the listening socket). Between requests aiohttp's keep-alive counts. A client that takes a
little now and then may take as long as its link needs.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from haoscar_pxe.serve.counters import Counters

LOOKS: Final = 4
"""How often in that time it is looked who waits."""


class Patience:
    """Of one server. `watched` is a middleware; `begin` once the server listens."""

    def __init__(self, seconds: float, counters: Counters) -> None:
        self._seconds = seconds
        self._counters = counters
        self._asked: set[web.RequestHandler] = set()
        self._since: dict[web.RequestHandler, float] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def watched(self) -> Middleware:
        """Notes who has asked for something, and lets nobody take too long over a body."""

        @web.middleware
        async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._asked.add(request.protocol)
            if request.body_exists:
                try:
                    async with asyncio.timeout(self._seconds):
                        await request.read()
                except TimeoutError:
                    self._counters.count("http too slow")
                    raise web.HTTPRequestTimeout from None
            return await handler(request)

        return watch

    def begin(self, server: web.Server) -> None:
        """Look at the server's connections again and again until `close`."""
        self._task = asyncio.create_task(self._look(server))

    async def close(self, application: web.Application) -> None:
        """Called by aiohttp at the end."""
        if self._task is not None:
            self._task.cancel()

    async def _look(self, server: web.Server) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._seconds / LOOKS)
            self._let_go(server.connections, loop.time())

    def _let_go(self, connections: list[web.RequestHandler], now: float) -> None:
        """Close those that have been there for too long and never asked; forget who is gone."""
        self._asked.intersection_update(connections)
        silent = [each for each in connections if each not in self._asked]
        self._since = {each: self._since.get(each, now) for each in silent}
        for connection, since in self._since.items():
            if now - since >= self._seconds:
                self._counters.count("http too slow")
                connection.force_close()
