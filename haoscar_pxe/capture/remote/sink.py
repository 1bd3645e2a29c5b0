"""The head's end: entries and chunks are offered to the image server, and sent where it lacks them.

What is offered waits in memory for the answer, a few MiB in all. Which chunks there are is decided
here, as a repository's own writer would; compressing is done for what is lacking only.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from blake3 import blake3

from haoscar_pxe.capture.remote.channel import Channel
from haoscar_pxe.capture.remote.messages import (
    OFFER_MAX,
    OFFERS_OPEN,
    Content,
    Expect,
    FromServer,
    Item,
    Lacking,
    Offer,
)
from haoscar_pxe.errors import WireError
from haoscar_pxe.image.compression import Compressor
from haoscar_pxe.image.entry import Entry
from haoscar_pxe.image.pack import Kind
from haoscar_pxe.image.page import PageCutter

OFFER_BYTES: Final = 4 << 20
"""An offer is made when this much waits for an answer, even if it is one chunk."""


class _Waiting(NamedTuple):
    item: Item
    data: bytes


class RemoteSink:
    """An `EntrySink` and a `Progress`. Raises CutOffError when the image server went away."""

    def __init__(self, channel: Channel[FromServer]) -> None:
        self._channel = channel
        self._cutter = PageCutter()
        self._compressor = Compressor()
        self._next: list[_Waiting] = []
        self._next_bytes = 0
        self._open: deque[list[_Waiting]] = deque()
        self._done_bytes = self._done_entries = 0

    def add_chunk(self, data: bytes | memoryview) -> bytes:
        """Offer a chunk; its id."""
        chunk_id = blake3(data).digest()
        self._add(Item(Kind.DATA, chunk_id), bytes(data))
        return chunk_id

    def add_box(self, box: bytes) -> bytes:
        """Offer a sealed box; its id."""
        chunk_id = blake3(box).digest()
        self._add(Item(Kind.SEALED, chunk_id), box)
        return chunk_id

    def add_entry(self, entry: Entry) -> None:
        """Put the entry into its page; offer the page when it is complete."""
        if self._cutter.add(entry):
            self._end_page()

    def expect(self, total_bytes: int) -> None:
        """See image.progress.Progress."""
        self._channel.send(Expect(total_bytes))

    def advance(self, size_bytes: int, entries: int = 1) -> None:
        """See image.progress.Progress; goes with the next offer."""
        self._done_bytes += size_bytes
        self._done_entries += entries

    def finish(self) -> None:
        """Offer what is left, and send all that is lacking."""
        if len(self._cutter):
            self._end_page()
        if self._next:
            self._offer()
        while self._open:
            self._answered()

    def _end_page(self) -> None:
        page = self._cutter.take()
        self._add(Item(Kind.META, blake3(page).digest()), page)

    def _add(self, item: Item, data: bytes) -> None:
        self._next.append(_Waiting(item, data))
        self._next_bytes += len(data)
        if len(self._next) >= OFFER_MAX or self._next_bytes >= OFFER_BYTES:
            self._offer()

    def _offer(self) -> None:
        items = tuple(waiting.item for waiting in self._next)
        self._channel.send(Offer(items, self._done_bytes, self._done_entries))
        self._open.append(self._next)
        self._next, self._next_bytes = [], 0
        self._done_bytes = self._done_entries = 0
        while len(self._open) >= OFFERS_OPEN:
            self._answered()

    def _answered(self) -> None:
        answer = self._channel.receive()
        if not isinstance(answer, Lacking):
            raise WireError("the image server asked for a capture in the middle of one")
        offered = self._open.popleft()
        for place in answer.places:
            data = offered[place].data
            encoding, stored = self._compressor.store(data)
            self._channel.send(Content(encoding, len(data), stored))
