"""Reads entries and their content in another thread, ahead of whoever lays them down.

Reading, decompressing and hashing let go of Python's lock, so they use a second processor while
the first one makes files. What is read ahead is bounded by BATCH_BYTES times BATCHES_MAX.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from haoscar_pxe.image.entry import AnyFile, Entry
from haoscar_pxe.image.reader import ChunkReader, extents

BATCH_BYTES: Final = 1 << 20
BATCH_ITEMS: Final = 256
"""A batch ends at either, so that many small files do not cost a hand-over each."""
BATCHES_MAX: Final = 8
STOP_LOOK_S: Final = 0.1

Piece: TypeAlias = tuple[int, bytes]
"""Offset and bytes of a file's content."""


class ReadAhead:
    """Entries in their order and, for the entry given last, its content. Use it in a `with`.

    entries and chunks are used in the other thread only, from begin to end of the block. Whatever
    they raise is raised here in the place where it belongs.
    """

    def __init__(self, entries: Iterable[Entry], chunks: ChunkReader) -> None:
        self._source = _items(entries, chunks)
        self._batches: queue.Queue[list[Entry | Piece] | BaseException] = queue.Queue(BATCHES_MAX)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._read, name="read ahead", daemon=True)
        self._stream = self._items()

    def __enter__(self) -> ReadAhead:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def entries(self) -> Iterator[Entry]:
        """All entries; the content of each must be asked for, or passed over, before the next."""
        for item in self._stream:
            if not isinstance(item, tuple):
                yield item

    def content(self, entry: AnyFile) -> Iterator[Piece]:
        """The content of the entry given last, in ascending order, without its holes."""
        for _ in entry.extents:
            piece = next(self._stream)
            assert isinstance(piece, tuple)
            yield piece

    def _items(self) -> Iterator[Entry | Piece]:
        while batch := self._batches.get():
            if isinstance(batch, BaseException):
                raise batch
            yield from batch

    def _read(self) -> None:
        """What the other thread does: an empty batch says that this was all."""
        try:
            for batch in _batches(self._source):
                if not self._give(batch):
                    return
            self._give([])
        except BaseException as error:
            self._give(error)

    def _give(self, batch: list[Entry | Piece] | BaseException) -> bool:
        """Hand over a batch; False when nobody takes it any more."""
        while not self._is_over.is_set():
            try:
                self._batches.put(batch, timeout=STOP_LOOK_S)
                return True
            except queue.Full:
                continue
        return False


def _items(entries: Iterable[Entry], chunks: ChunkReader) -> Iterator[Entry | Piece]:
    for entry in entries:
        yield entry
        if isinstance(entry, AnyFile):
            yield from extents(entry, chunks)


def _batches(items: Iterator[Entry | Piece]) -> Iterator[list[Entry | Piece]]:
    batch: list[Entry | Piece] = []
    size_bytes = 0
    try:
        for item in items:
            batch.append(item)
            if isinstance(item, tuple):
                size_bytes += len(item[1])
            if size_bytes >= BATCH_BYTES or len(batch) >= BATCH_ITEMS:
                yield batch
                batch, size_bytes = [], 0
    except Exception:
        if batch:  # what was read before an error is whole
            yield batch
        raise
    if batch:
        yield batch
