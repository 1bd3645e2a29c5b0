"""What reaches a receiver that holds the generation before: bytes on its socket, over real HTTP.

Our own server gives the manifest and the delta; a relay between the two counts all that passes,
headers, requests and manifest included. Each chunk that the newer generation has more must arrive,
and is hashed; nothing is written.
"""

from __future__ import annotations

import asyncio
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from aiohttp import web

from haoscar_pxe.image.delta_making import make_delta
from haoscar_pxe.image.entry import chunk_ids
from haoscar_pxe.image.http_store import HttpStore
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.page_entries import page_entries
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.receiver import Receiver, held_by
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import TrustedKeys
from haoscar_pxe.image.source import HttpSource
from haoscar_pxe.nodes.asking import Reads
from haoscar_pxe.serve.counters import Counters
from haoscar_pxe.serve.http import make_application
from haoscar_pxe.serve.patience import Patience
from tests.bench.measure import BenchError
from tests.unit.serve.fixed_answers import TOKEN, FixedAnswers

PIECE_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class Received:
    """bytes: both ways. make_s: to make the delta, once for all receivers. fetch_s: until whole."""

    bytes: int
    make_s: float
    fetch_s: float


def receive(repository: Repository, trusted: TrustedKeys, image: str, folder: Path) -> Received:
    """Receive the newest generation as one who holds the one before it. Raises BenchError."""
    number = repository.generations(image)[-1]
    older = repository.manifest(image, number - 1, trusted)
    newer = repository.manifest(image, number, trusted)
    chunks = ChunkReader(repository.store)
    began = time.perf_counter()
    make_delta(older, newer, chunks, folder / "delta")
    make_s = time.perf_counter() - began
    stored = {
        f"{image}/{number}": repository.manifest_path(image, number),
        f"{image}/{number - 1}-{number}": folder / "delta",
    }
    with relayed(OneImage(stored=stored)) as (url, passed):
        began = time.perf_counter()
        _fetch(url, image, number)
        receiver = Receiver.of(
            HttpSource(HttpStore(url, TOKEN, patience_s=10)), held_by(chunks), newer, older
        )
        _check(receiver, _wanted(older, newer, chunks))
        return Received(passed.bytes, make_s, time.perf_counter() - began)


class OneImage(FixedAnswers):
    """Its token opens all that it has."""

    def reads(self, token: str) -> Reads | None:
        return Reads(None) if token == TOKEN else None


@dataclass(slots=True)
class Passed:
    """What a relay has let through, both ways."""

    bytes: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


def _fetch(url: str, image: str, number: int) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    request = urllib.request.Request(f"{url}/images/{image}/{number}.manifest", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()


def _wanted(older: Manifest, newer: Manifest, chunks: ChunkReader) -> set[bytes]:
    """Ids of the pages and chunks that newer has and older has not."""
    return _ids(newer, chunks) - _ids(older, chunks)


def _ids(manifest: Manifest, chunks: ChunkReader) -> set[bytes]:
    content = (each for entry in page_entries(manifest.pages, chunks) for each in chunk_ids(entry))
    return {*content, *(page.chunk_id for page in manifest.pages)}


def _check(receiver: Receiver, wanted: set[bytes]) -> None:
    got = {chunk_id for chunk_id, _ in receiver.receive(wanted)}
    if not receiver.has_delta or got != wanted:
        raise BenchError(f"{len(got)} of {len(wanted)} chunks came, and not all by the delta")


@contextmanager
def relayed(answers: FixedAnswers) -> Iterator[tuple[str, Passed]]:
    """Our HTTP server on loopback behind a relay; its URL, and what passes."""
    loop = asyncio.new_event_loop()
    passed = Passed()
    thread = threading.Thread(target=loop.run_forever, name="server and relay")
    thread.start()

    async def start() -> tuple[web.AppRunner, asyncio.Server]:
        counters = Counters()
        patience = Patience(30.0, counters)
        runner = web.AppRunner(make_application(answers, counters, patience))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = int(runner.addresses[0][1])
        return runner, await asyncio.start_server(_relay(port, passed), "127.0.0.1", 0)

    async def stop(runner: web.AppRunner, relay: asyncio.Server) -> None:
        relay.close()
        for task in passed.tasks:
            task.cancel()
        await asyncio.gather(*passed.tasks, return_exceptions=True)
        await runner.cleanup()

    runner, relay = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield f"http://127.0.0.1:{relay.sockets[0].getsockname()[1]}", passed
    finally:
        asyncio.run_coroutine_threadsafe(stop(runner, relay), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


Connected: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _relay(port: int, passed: Passed) -> Connected:
    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(PIECE_BYTES):
            passed.bytes += len(piece)
            writer.write(piece)
            await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
        for pair in ((reader, to_writer), (to_reader, writer)):
            task = asyncio.create_task(copy(*pair))
            passed.tasks.add(task)

    return connected
