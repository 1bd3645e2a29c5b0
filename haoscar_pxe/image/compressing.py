"""Compresses batches of chunks on other threads, and gives them back in the order they came.

zstandard lets go of Python's lock while it works, so the second thread is a second processor.
Whoever brings a batch while enough of them wait compresses it itself: neither side stands idle,
and memory is bounded by BATCH_BYTES times what is under way.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from haoscar_pxe.image.compression import Compressor, Encoding

BATCH_BYTES: Final = 1 << 20
BATCH_CHUNKS: Final = 256
"""A batch ends at either: handing over single small files costs more than compressing them."""
WAITING_MAX: Final = 12
UNDER_WAY_MAX: Final = 24
THREADS_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Compressed:
    """A chunk as it will be stored. raw_bytes: its size before."""

    chunk_id: bytes
    encoding: Encoding
    stored: bytes
    raw_bytes: int


def processors_to_spare() -> int:
    """How many threads may compress beside the one that reads."""
    return min(len(os.sched_getaffinity(0)) - 1, THREADS_MAX)


class Compressing:
    """A queue of chunks on their way. For one thread; the others are its own."""

    def __init__(self, threads: int) -> None:
        """threads: 0 compresses where it is called."""
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._contexts = threading.local()
        self._batch: list[tuple[bytes, bytes]] = []
        self._batch_bytes = 0
        self._under_way: deque[Future[list[Compressed]]] = deque()

    def put(self, chunk_id: bytes, data: bytes) -> Iterator[list[Compressed]]:
        """Take a chunk; the batches that are ready by now, in their order."""
        self._batch.append((chunk_id, data))
        self._batch_bytes += len(data)
        if self._batch_bytes < BATCH_BYTES and len(self._batch) < BATCH_CHUNKS:
            return iter(())
        self._hand_over()
        return self._ready()

    def rest(self) -> Iterator[list[Compressed]]:
        """All that is left, in order; waits for it."""
        if self._batch:
            self._hand_over()
        while self._under_way:
            yield self._under_way.popleft().result()

    def stop(self) -> None:
        """Drop what has not begun and end the threads."""
        self._batch = []
        self._under_way.clear()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _hand_over(self) -> None:
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        waiting = sum(not future.done() for future in self._under_way)
        if self._threads and waiting < WAITING_MAX + self._threads:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._threads, "compress")
            self._under_way.append(self._pool.submit(self._compress, batch))
            return
        done: Future[list[Compressed]] = Future()
        done.set_result(self._compress(batch))
        self._under_way.append(done)

    def _ready(self) -> Iterator[list[Compressed]]:
        while self._under_way:
            if not self._under_way[0].done() and len(self._under_way) < UNDER_WAY_MAX:
                return
            yield self._under_way.popleft().result()

    def _compress(self, batch: list[tuple[bytes, bytes]]) -> list[Compressed]:
        """One context for each thread, kept: making one costs more than a small chunk."""
        compressor = getattr(self._contexts, "compressor", None)
        if compressor is None:
            compressor = self._contexts.compressor = Compressor()
        stored = compressor.store_all([data for _, data in batch])
        return [
            Compressed(chunk_id, encoding, packed, len(data))
            for (chunk_id, data), (encoding, packed) in zip(batch, stored, strict=True)
        ]
