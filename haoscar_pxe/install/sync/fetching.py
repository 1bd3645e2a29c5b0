"""Where a sync reads two generations from: pages kept here, a delta or packs at the server.

What the standby has is asked first. A delta is compressed against chunks of the old generation;
those are pages that were kept and pieces of the standby's own files, found by their ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from haoscar_pxe.errors import RepositoryError
from haoscar_pxe.image.delta import rows
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.page_source import PageSource
from haoscar_pxe.image.reader import ChunkMissingError, ChunkReader
from haoscar_pxe.image.receiver import Delta, Held, Receiver, open_delta
from haoscar_pxe.image.sealing import NO_KEYS, OpeningKeys
from haoscar_pxe.image.source import Source


class Fetching(PageSource):
    """The chunks of a generation, and of the one before. Not for use by two threads at once.

    boxes: a reader of the server's packs that opens sealed files. references: chunks of the old
    generation that the delta refers to, if there is one.
    """

    def __init__(
        self,
        source: Source,
        newer: Manifest,
        older: Manifest | None = None,
        *,
        opening: OpeningKeys = NO_KEYS,
        kept: ChunkReader | None = None,
    ) -> None:
        """kept: pages that this machine has. Raises StoreUnreachableError."""
        super().__init__()
        self._source = source
        self._newer = newer
        self._older = older
        self._opening = opening
        self._kept = kept
        self._own: Held = lambda chunk_id: None
        delta = None
        if older is not None and older.id != newer.id:
            delta = open_delta(source, older, newer)
        self.references = _references(delta)
        self._receiver = Receiver(self._held, delta, lambda: self.boxes)

    @cached_property
    def boxes(self) -> ChunkReader:
        """The packs of the newer generation, opened when they are first needed."""
        store = self._source.packs(self._newer.image, self._newer.generation)
        return ChunkReader(store, opening=self._opening)

    def hold(self, own: Held) -> None:
        """Ask this, too, for what the delta refers to: pieces of the standby's own files."""
        self._own = own

    def chunk(self, chunk_id: bytes) -> bytes:
        """A page or a chunk of either generation, verified. Raises as ChunkReader.chunk."""
        if (page := self._from_kept(chunk_id)) is not None:
            return page
        try:
            return self._receiver.chunk(chunk_id)
        except ChunkMissingError:
            if self._older is None:
                raise
            return self._older_packs.chunk(chunk_id)

    @cached_property
    def _older_packs(self) -> ChunkReader:
        assert self._older is not None
        return ChunkReader(self._source.packs(self._older.image, self._older.generation))

    def _held(self, chunk_id: bytes) -> bytes | None:
        page = self._from_kept(chunk_id)
        return self._own(chunk_id) if page is None else page

    def _from_kept(self, chunk_id: bytes) -> bytes | None:
        if self._kept is None or chunk_id not in self._kept:
            return None
        try:
            return self._kept.chunk(chunk_id)
        except RepositoryError:  # damaged or gone: it is fetched
            return None


def _references(delta: Delta | None) -> frozenset[bytes]:
    pieces: Iterable[bytes] = (
        row.chunk_id
        for piece in (delta.index.pieces if delta else ())
        for row in rows(piece.references)
    )
    return frozenset(pieces)
