"""How much of each pack the generations need: what prune has to know before it deletes anything.

Every page of every generation that stays is read; what cannot be read ends it, for then nobody
knows what is needed. Memory is one byte a chunk beside the index of all packs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from haoscar_pxe.errors import IntegrityError, StorageError
from haoscar_pxe.image.entry import chunk_ids
from haoscar_pxe.image.manifest import Manifest, PageRef
from haoscar_pxe.image.pack import ROW, PackIndex
from haoscar_pxe.image.page_entries import page_entries
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.reader import ChunkReader


@dataclass(frozen=True, slots=True)
class PackUse:
    """One pack. needed: for each row of the index 1 where a generation needs it from here.

    needed_bytes: stored bytes of these rows. blob_bytes: of all rows.
    """

    index: PackIndex
    needed: bytearray
    needed_bytes: int
    blob_bytes: int

    @property
    def pack_id(self) -> str:
        """The pack's name."""
        return self.index.pack_id

    @property
    def is_needed(self) -> bool:
        """Whether any of it is."""
        return self.needed_bytes > 0

    def needed_chunks(self) -> list[bytes]:
        """Ids of the chunks that are needed from here, in the order they lie in."""
        return self._chunks(1)

    def other_chunks(self) -> list[bytes]:
        """Ids of the chunks that are not: needed by nobody, or read from another pack."""
        return self._chunks(0)

    def _chunks(self, mark: int) -> list[bytes]:
        rows = zip(ROW.iter_unpack(self.index.table), self.needed, strict=True)
        found = [(offset, chunk_id) for (chunk_id, offset, *_), each in rows if each == mark]
        return [chunk_id for _, chunk_id in sorted(found)]


@dataclass(frozen=True, slots=True)
class Usage:
    """All packs that can be read, and whether some chunks are in none of them."""

    packs: tuple[PackUse, ...]
    missing_chunks: int


def usage_of(manifests: Iterable[Manifest], chunks: ChunkReader, progress: Progress) -> Usage:
    """What these generations need of each pack. chunks: of all packs.

    A chunk that several packs hold counts for the one it is read from. Raises IntegrityError
    naming the generation of which a page cannot be read, StorageError.
    """
    index = chunks.index
    marks = [bytearray(len(pack)) for pack in index.packs]
    missing: set[bytes] = set()
    seen: set[bytes] = set()
    for manifest in manifests:
        for chunk_id in _needed_by(manifest, chunks, seen, progress):
            place = index.place(chunk_id)
            if place is None:
                missing.add(chunk_id)
            else:
                marks[place[0]][place[1]] = 1
    if chunks.index is not index:
        raise StorageError("packs went away while they were counted; nothing was deleted")
    packs = (_use(pack, needed) for pack, needed in zip(index.packs, marks, strict=True))
    return Usage(tuple(packs), len(missing))


def _needed_by(
    manifest: Manifest, chunks: ChunkReader, seen: set[bytes], progress: Progress
) -> Iterator[bytes]:
    """Chunks of the generation's pages, and of its files; not of pages seen before."""
    new = [page for page in manifest.pages if page.chunk_id not in seen]
    seen.update(page.chunk_id for page in new)
    yield from (page.chunk_id for page in new)
    try:
        yield from _content(new, chunks, progress)
    except IntegrityError as error:
        name = f"{manifest.image}@{manifest.generation}"
        raise IntegrityError(
            f"what {name} needs cannot be read, so nothing was deleted: {error}",
            hint=f"'haoscar-pxe image prune --drop {name}' gives that generation up; "
            "if it is the newest, capture once more before",
        ) from error


def _content(pages: Iterable[PageRef], chunks: ChunkReader, progress: Progress) -> Iterator[bytes]:
    for entry in page_entries(pages, chunks):
        progress.advance(0)
        yield from chunk_ids(entry)


def _use(pack: PackIndex, needed: bytearray) -> PackUse:
    needed_bytes = blob_bytes = 0
    for (_, _, stored_bytes, _, _), mark in zip(ROW.iter_unpack(pack.table), needed, strict=True):
        blob_bytes += stored_bytes
        needed_bytes += stored_bytes * mark
    return PackUse(pack, needed, needed_bytes, blob_bytes)
