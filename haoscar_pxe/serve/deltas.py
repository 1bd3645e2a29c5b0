"""`GET /images/<image>/<from>-<to>.delta`: one maker for each delta, and everybody waits for it.

Deltas are made in a thread of their own, one after the other. Who has waited WAIT_S is told to
come again (503 with Retry-After, RFC 9110 section 10.2.3); the making goes on, for the next one.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from haoscar_pxe.nodes.asking import Refusal
from haoscar_pxe.serve.answers import Answers
from haoscar_pxe.serve.http_log import refused

log = logging.getLogger(__name__)

WAIT_S: Final = 10.0
"""Less than the 20 s after which a client takes the connection for dead."""
MOST_WAITING: Final = 16
RETRY_AFTER_S: Final = 2

Key = tuple[str, int, int]
"""image, older, newer"""


class DeltaMakers:
    """What is being made, and for whom."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._thread = ThreadPoolExecutor(1, "deltas")
        self._making: dict[Key, asyncio.Future[Path | Refusal]] = {}

    async def answer(self, key: Key) -> web.StreamResponse:
        """The file, made now if need be, or a refusal."""
        found = await asyncio.to_thread(self._answers.delta, *key)
        if found is None:
            found = await self._made(key)
        return refused(found) if isinstance(found, Refusal) else DeltaFile(found)

    async def close(self, _: web.Application) -> None:
        """Begin nothing more; what is being made is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _made(self, key: Key) -> Path | Refusal:
        if key not in self._making and len(self._making) >= MOST_WAITING:
            raise come_again("other deltas are being made")
        making = self._making.get(key) or self._begin(key)
        await asyncio.wait([making], timeout=WAIT_S)
        if not making.done():
            raise come_again("the delta is being made")
        return making.result()

    def _begin(self, key: Key) -> asyncio.Future[Path | Refusal]:
        loop = asyncio.get_running_loop()
        making = loop.run_in_executor(self._thread, self._answers.make_delta, *key)
        self._making[key] = making

        def over(done: asyncio.Future[Path | Refusal]) -> None:
            del self._making[key]
            if not done.cancelled() and (error := done.exception()) is not None:
                log.error("no delta of %s from %d to %d: %r", *key, error)

        making.add_done_callback(over)
        return making


def come_again(why: str) -> web.HTTPServiceUnavailable:
    """503, and when to come again."""
    return web.HTTPServiceUnavailable(
        text=f"{why}; come again\n", headers={hdrs.RETRY_AFTER: str(RETRY_AFTER_S)}
    )


class DeltaFile(web.FileResponse):
    """The file, with ranges; also for who asks "If-Range" with an ETag.

    aiohttp knows dates there only and would give a range of the new file for the old one's ETag,
    where RFC 9110 section 13.1.5 wants the whole.
    """

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """See FileResponse."""
        asked = request.headers.get(hdrs.IF_RANGE, "")
        if '"' in asked and asked != await asyncio.to_thread(self._etag):
            headers = request.headers.copy()
            headers.popall(hdrs.RANGE, None)
            request = request.clone(headers=headers)
        return await super().prepare(request)

    def _etag(self) -> str:
        """As FileResponse makes it. A weak one never matches here, as the section says."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return ""
        return f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
