"""Gets the chunks of a generation from a source: from a delta where there is one, else from packs.

A piece of a delta is compressed against chunks that the receiver holds. It asks for them by id
(`Held`), so it may be a repository or a running standby whose files hold them. A reference that is
not there after all, a piece that is not what it should be, a source without a delta: each falls
back to the chunk as it lies in a pack. Every chunk that is given has been hashed.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Final, TypeAlias

from blake3 import blake3

from haoscar_pxe.errors import IntegrityError, StorageError
from haoscar_pxe.image.delta import (
    HEADER,
    Index,
    blob_offsets,
    decode_index,
    index_size,
    restore,
    rows,
    total_bytes,
)
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.page_source import PageSource
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.source import Blob, Source
from haoscar_pxe.image.store import StoreUnreachableError

log = logging.getLogger(__name__)

Held: TypeAlias = Callable[[bytes], bytes | None]
"""A chunk that the receiver has, by its id; None if it has not. What it gives is hashed again."""

PIECES_KEPT: Final = 2
HEAD_BYTES: Final = 64 << 10
"""Read at once from a delta's beginning: for most, header and index."""


class Delta:
    """A delta that is read piece by piece. Not for use by two threads at once."""

    def __init__(self, blob: Blob, where: str, older: Manifest, newer: Manifest) -> None:
        """Read header and index. Raises IntegrityError, also for other manifests' delta."""
        self._blob = blob
        self._where = where
        start = blob.read(0, min(HEAD_BYTES, blob.size_bytes))
        header = start[: HEADER.size]
        size = index_size(header, where)
        rest = size - len(start[HEADER.size :])
        if HEADER.size + size > blob.size_bytes:
            raise IntegrityError(f"{where} is shorter than its index")
        body = start[HEADER.size :] + (blob.read(len(start), rest) if rest > 0 else b"")
        self.index: Index = decode_index(header, body[:size], blob.size_bytes, where)
        if (self.index.older.hex(), self.index.newer.hex()) != (older.id, newer.id):
            raise IntegrityError(f"{where} is that of two other generations")
        self._offsets = blob_offsets(self.index, HEADER.size + size)
        self.piece_of = {
            each.chunk_id: number
            for number, piece in enumerate(self.index.pieces)
            for each in rows(piece.chunks)
        }

    def piece(self, number: int, held: Held) -> dict[bytes, bytes]:
        """The chunks of a piece by id. Raises IntegrityError, MissingReferenceError."""
        piece = self.index.pieces[number]
        reference = b"".join(
            _reference(each.chunk_id, each.size_bytes, held) for each in rows(piece.references)
        )
        blob = self._blob.read(self._offsets[number], piece.stored_bytes)
        return {each.chunk_id: data for each, data in restore(piece, blob, reference, self._where)}


class MissingReferenceError(IntegrityError):
    """A chunk that a piece is compressed against is not here, or not what it was."""

    def __init__(self, chunk_id: bytes) -> None:
        super().__init__(f"chunk {chunk_id.hex()[:12]}, which a delta refers to, is not here")


class Receiver(PageSource):
    """The chunks of one generation. Not for use by two threads at once.

    fetched_bytes: of blobs of pieces, for reports.
    """

    def __init__(self, held: Held, delta: Delta | None, whole: Callable[[], ChunkReader]) -> None:
        """whole: opens the source's packs; called when the first chunk is wanted from there."""
        super().__init__()
        self._held = held
        self._delta = delta
        self._open_whole = whole
        self._pieces: OrderedDict[int, dict[bytes, bytes]] = OrderedDict()
        self._useless: set[int] = set()
        self.fetched_bytes = 0

    @classmethod
    def of(
        cls, source: Source, held: Held, newer: Manifest, older: Manifest | None = None
    ) -> Receiver:
        """For generation newer, by someone who holds older (None: nothing).

        Raises StoreUnreachableError; a delta that is not to be had or not in order is done without.
        """
        delta = open_delta(source, older, newer) if older is not None else None
        return cls(held, delta, lambda: whole_chunks(source, newer))

    @property
    def has_delta(self) -> bool:
        """Whether there is a delta."""
        return self._delta is not None

    @cached_property
    def whole(self) -> ChunkReader:
        """The source's packs."""
        return self._open_whole()

    def chunk(self, chunk_id: bytes) -> bytes:
        """A chunk that is not held, in any order; verified.

        Raises ChunkMissingError, IntegrityError (wrong bytes in the source), StorageError.
        """
        number = self._delta.piece_of.get(chunk_id) if self._delta else None
        piece = None if number is None else self._piece(number)
        return self.whole.chunk(chunk_id) if piece is None else piece[chunk_id]

    def receive(self, wanted: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """(id, bytes) of each wanted chunk, once, in the order that costs least. As `chunk`."""
        left = dict.fromkeys(wanted)
        for number in sorted(self._numbers(left)):
            for chunk_id, data in (self._piece(number) or {}).items():
                if chunk_id in left:
                    del left[chunk_id]
                    yield chunk_id, data
            self._pieces.pop(number, None)
        for chunk_id in sorted(left, key=self._place):
            yield chunk_id, self.whole.chunk(chunk_id)

    def _numbers(self, wanted: Iterable[bytes]) -> set[int]:
        known = self._delta.piece_of if self._delta else {}
        return {known[chunk_id] for chunk_id in wanted if chunk_id in known}

    def _place(self, chunk_id: bytes) -> tuple[str, int]:
        """Where in the source's packs; chunks that are missing first, so that it is told early."""
        found = self.whole.index.find(chunk_id)
        return (found.pack.pack_id, found.location.offset_bytes) if found else ("", 0)

    def _piece(self, number: int) -> dict[bytes, bytes] | None:
        """The chunks of a piece, or None if it is of no use here."""
        if number in self._useless or self._delta is None:
            return None
        if number in self._pieces:
            self._pieces.move_to_end(number)
            return self._pieces[number]
        try:
            piece = self._delta.piece(number, self._reference(number))
        except StoreUnreachableError:
            raise
        except (IntegrityError, StorageError) as error:
            log.info("without a piece of the delta: %s", error)
            self._useless.add(number)
            return None
        self.fetched_bytes += self._delta.index.pieces[number].stored_bytes
        self._pieces[number] = piece
        if len(self._pieces) > PIECES_KEPT:
            self._pieces.popitem(last=False)
        return piece

    def _reference(self, number: int) -> Held:
        """What is held, and what is not fetched whole where that costs less than the piece does."""
        assert self._delta is not None
        left = total_bytes(self._delta.index.pieces[number].chunks)

        def get(chunk_id: bytes) -> bytes | None:
            nonlocal left
            data = self._held(chunk_id)
            if data is not None and blake3(data).digest() == chunk_id:
                return data
            found = self.whole.index.find(chunk_id)
            if found is None or found.location.stored_bytes >= left:
                return None
            left -= found.location.stored_bytes
            return self.whole.chunk(chunk_id)

        return get


def open_delta(source: Source, older: Manifest, newer: Manifest) -> Delta | None:
    """The source's delta, None if it has none in order. Raises StoreUnreachableError."""
    where = f"the delta of {newer.image} from {older.generation} to {newer.generation}"
    try:
        blob = source.delta(newer.image, older.generation, newer.generation)
        return Delta(blob, where, older, newer) if blob is not None else None
    except StoreUnreachableError:
        raise
    except (IntegrityError, StorageError) as error:
        log.warning("without a delta: %s", error)
        return None


def whole_chunks(source: Source, manifest: Manifest) -> ChunkReader:
    """The chunks of a generation as they lie in the source's packs."""
    return ChunkReader(source.packs(manifest.image, manifest.generation))


def held_by(chunks: ChunkReader) -> Held:
    """What a repository holds."""

    def held(chunk_id: bytes) -> bytes | None:
        if chunk_id not in chunks:
            return None
        try:
            return chunks.chunk(chunk_id)
        except IntegrityError:  # damaged here; it is fetched like one that is not here
            return None

    return held


def _reference(chunk_id: bytes, size_bytes: int, held: Held) -> bytes:
    data = held(chunk_id)
    if data is None or len(data) != size_bytes:
        raise MissingReferenceError(chunk_id)
    return data
