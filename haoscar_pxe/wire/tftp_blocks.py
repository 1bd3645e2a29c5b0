"""Blocks of a file as they go out: headers and payloads one behind the other, made once for many.

Source: RFC 1350 section 5 (the DATA packet). A rack that powers on reads the same kernel a hundred
times at nearly the same place, so runs of blocks are kept for whoever comes next; each transfer
holds the run that it is in, and is not hurt when the store lets it go. No I/O.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from haoscar_pxe.wire.tftp_packet import BLOCK_NUMBERS, HEADER_BYTES, data_header

RUN_BLOCKS: Final = 32
"""A multiple of the usual windows, so that a window without losses lies in one run."""
MOST_BYTES: Final = 16 << 20

Key: TypeAlias = tuple[Hashable, int, int]


class Source(Protocol):
    """What is sent. A file may shrink meanwhile: then read returns less than was asked for."""

    @property
    def size_bytes(self) -> int:
        """The same through the whole transfer."""
        ...

    @property
    def identity(self) -> Hashable | None:
        """Equal for two sources only if their bytes are; None: not to be compared."""
        ...

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        """The bytes there; called again for what must be sent again."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """Some blocks in their order. blocks: their numbers, counted from 1 without wrapping."""

    blocks: range
    datagram_bytes: int
    content: memoryview

    @classmethod
    def of(cls, content: bytes, blocks: range, blksize: int) -> Run:
        """Cut up what the file has in those blocks; its last one may be short or empty."""
        view = memoryview(content)
        pieces: list[bytes | memoryview] = []
        for start, block in zip(range(0, len(blocks) * blksize, blksize), blocks, strict=True):
            pieces.append(data_header(block % BLOCK_NUMBERS))
            pieces.append(view[start : start + blksize])
        return cls(blocks, HEADER_BYTES + blksize, memoryview(b"".join(pieces)))

    def datagrams(self, first: int, last: int) -> memoryview:
        """Those blocks, headers included; both are of this run."""
        size, start = self.datagram_bytes, self.blocks.start
        return self.content[(first - start) * size : (last + 1 - start) * size]


class RunStore:
    """The runs used last, of all files that are read; MOST_BYTES together."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._runs: OrderedDict[Key, Run] = OrderedDict()

    def find(self, key: Key) -> Run | None:
        """The run that was kept under that key, if it is still here."""
        run = self._runs.get(key)
        if run is not None:
            self._runs.move_to_end(key)
        return run

    def keep(self, key: Key, run: Run) -> None:
        """Keep it until others were used more recently."""
        self._runs[key] = run
        self._bytes += len(run.content)
        while self._bytes > self._most_bytes:
            _, dropped = self._runs.popitem(last=False)
            self._bytes -= len(dropped.content)


class Blocks:
    """The blocks of one source for one transfer."""

    def __init__(self, source: Source, blksize: int, store: RunStore) -> None:
        self.last = source.size_bytes // blksize + 1
        self._source = source
        self._blksize = blksize
        self._store = store
        self._run = Run(range(0), 0, memoryview(b""))

    def run_with(self, block: int) -> Run | None:
        """The run that holds a block of 1..last. None: the file became shorter."""
        if block not in self._run.blocks:
            number = (block - 1) // RUN_BLOCKS
            identity = self._source.identity
            key = (identity, self._blksize, number)
            run = None if identity is None else self._store.find(key)
            if run is None:
                run = self._read(number)
                if run is not None and identity is not None:
                    self._store.keep(key, run)
            if run is None:
                return None
            self._run = run
        return self._run

    def _read(self, number: int) -> Run | None:
        first = number * RUN_BLOCKS + 1
        blocks = range(first, min(first + RUN_BLOCKS, self.last + 1))
        offset = (first - 1) * self._blksize
        wanted = min(len(blocks) * self._blksize, self._source.size_bytes - offset)
        content = self._source.read(offset, wanted)
        return Run.of(content, blocks, self._blksize) if len(content) == wanted else None
