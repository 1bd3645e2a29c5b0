"""The generation before, beside the walk: what did not change is not read again.

Walk and generation have the same order, so both are gone through once, side by side. Pages of
which every entry is still the same go into the next generation whole.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from haoscar_pxe.capture.files.statuses import ROW, StatusLog, stamp
from haoscar_pxe.capture.files.tree import EntrySink
from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.entry import Entry, sort_key
from haoscar_pxe.image.manifest import Manifest, PageRef
from haoscar_pxe.image.reader import ChunkReader


@dataclass(frozen=True, slots=True)
class KnownPage:
    """A page of the generation before. first: number of its first entry in the generation."""

    ref: PageRef
    entries: tuple[Entry, ...]
    first: int


def known_pages(
    manifest: Manifest, chunks: ChunkReader, has_chunks_of: Callable[[Iterable[Entry]], bool]
) -> Iterator[KnownPage]:
    """The pages of which all chunks are still there, in order; ends at the first damaged one."""
    first = 0
    for ref in manifest.pages:
        try:
            entries = chunks.page(ref)
        except IntegrityError:
            return
        if has_chunks_of(entries):
            yield KnownPage(ref, entries, first)
        first += ref.entry_count


class KnownTree:
    """Asked for one path after the other, in the order of `sort_key`.

    page, index: where the answer given last was found. devices: see `statuses.stamp`.
    """

    def __init__(self, pages: Iterator[KnownPage], rows: array[int]) -> None:
        """rows: as `statuses.load_statuses` gives them."""
        self._pages = pages
        self._rows = rows
        self.page: KnownPage | None = next(pages, None)
        self.index = 0
        self.devices: Mapping[int, int] = {}

    def entry(self, path: bytes, status: os.stat_result) -> Entry | None:
        """The entry that path had, if what is there now has the very same status."""
        page = self._page_with(path)
        if page is None or page.entries[self.index].path != path:
            return None
        row = (page.first + self.index) * ROW
        return (
            page.entries[self.index]
            if tuple(self._rows[row : row + ROW]) == stamp(status, self.devices)
            else None
        )

    def _page_with(self, path: bytes) -> KnownPage | None:
        """Go on to the first entry that is not before path."""
        page = self.page
        if page is None or page.entries[self.index].path == path:
            return page
        after = self.index + 1
        if after < len(page.entries) and page.entries[after].path == path:
            self.index = after
            return page
        key = sort_key(path)
        while page is not None:
            entries = page.entries
            for index in range(self.index, len(entries)):
                if sort_key(entries[index].path) >= key:
                    self.index = index
                    return page
            page = self.page = next(self._pages, None)
            self.index = 0
        return None


@dataclass(frozen=True, slots=True)
class Recapture:
    """What a capture is given of the one before, and what it leaves to the next.

    known: None where everything is to be read. expected_bytes: content there will be, about.
    """

    known: KnownTree | None
    statuses: StatusLog
    expected_bytes: int

    def read_as(self, devices: Mapping[int, int]) -> None:
        """The tree is seen through snapshots; devices: see `statuses.stamp`."""
        self.statuses.devices = devices
        if self.known is not None:
            self.known.devices = devices


class PageSink(EntrySink, Protocol):
    """Where whole pages can go as well: `image.writer.GenerationWriter`."""

    @property
    def is_between_pages(self) -> bool:
        """Whether the next entry begins a page."""
        ...

    def add_page(self, ref: PageRef, entries: Sequence[Entry]) -> None:
        """Add the next entries, a whole page that the repository holds."""
        ...


class ReusingSink:
    """An `EntrySink` in front of a `PageSink`: holds entries back while they may be a page."""

    def __init__(self, sink: PageSink, known: KnownTree) -> None:
        self._sink = sink
        self._known = known
        self._page: KnownPage | None = None
        self._held = 0

    def add_chunk(self, data: bytes | memoryview) -> bytes:
        """Keep the chunk; its id."""
        return self._sink.add_chunk(data)

    def add_box(self, box: bytes) -> bytes:
        """Keep the box; its id."""
        return self._sink.add_box(box)

    def add_entry(self, entry: Entry) -> None:
        """Add the next entry, now or with its page."""
        page, index = self._known.page, self._known.index
        is_known = page is not None and page.entries[index] is entry
        if self._page is not None and not (is_known and page is self._page and index == self._held):
            self.flush()
        if self._page is None and not (is_known and index == 0 and self._sink.is_between_pages):
            self._sink.add_entry(entry)
            return
        assert page is not None
        self._page, self._held = page, index + 1
        if self._held == len(page.entries):
            self._sink.add_page(page.ref, page.entries)
            self._page = None

    def flush(self) -> None:
        """Give on what is held back: after the last entry, or when the page is no whole one."""
        if self._page is None:
            return
        for entry in self._page.entries[: self._held]:
            self._sink.add_entry(entry)
        self._page = None
