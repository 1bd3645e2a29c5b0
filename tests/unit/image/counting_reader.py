"""A ChunkReader that counts what it is asked for, so that a test can say what was not read."""

from __future__ import annotations

from haoscar_pxe.image.entry import Entry
from haoscar_pxe.image.manifest import PageRef
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.store import PackStore


class CountingReader(ChunkReader):
    """pages: how often a page was asked for. chunks: ids of the chunks that were read."""

    def __init__(self, store: PackStore) -> None:
        super().__init__(store)
        self.pages = 0
        self.chunks: list[bytes] = []

    def page(self, ref: PageRef) -> tuple[Entry, ...]:
        """As the reader does."""
        self.pages += 1
        return super().page(ref)

    def chunk(self, chunk_id: bytes) -> bytes:
        """As the reader does."""
        self.chunks.append(chunk_id)
        return super().chunk(chunk_id)
