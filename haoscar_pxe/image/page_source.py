"""Whoever can give chunks can give pages: decoded, checked against the manifest, a few kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import Final

from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.entry import Entry
from haoscar_pxe.image.manifest import PageRef
from haoscar_pxe.image.page import decode_page

PAGES_KEPT: Final = 8


class PageSource(ABC):
    """Chunks by their ids, and the pages among them."""

    def __init__(self) -> None:
        self._pages: OrderedDict[bytes, tuple[Entry, ...]] = OrderedDict()

    @abstractmethod
    def chunk(self, chunk_id: bytes) -> bytes:
        """The chunk's bytes, verified. Raises ChunkMissingError, IntegrityError, StorageError."""

    def page(self, ref: PageRef) -> tuple[Entry, ...]:
        """The page's entries. Raises IntegrityError if they are not what the manifest says."""
        page = self._pages.get(ref.chunk_id)
        if page is None:
            where = f"chunk {ref.chunk_id.hex()[:12]}"
            page = decode_page(self.chunk(ref.chunk_id), where)
            self._pages[ref.chunk_id] = page
            if len(self._pages) > PAGES_KEPT:
                self._pages.popitem(last=False)
        else:
            self._pages.move_to_end(ref.chunk_id)
        if page[0].path != ref.first or len(page) != ref.entry_count:
            raise IntegrityError(f"a page does not begin with {ref.first!r} as its manifest says")
        return page
