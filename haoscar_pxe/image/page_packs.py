"""Which packs a generation needs, page by page and remembered: many ask, and pages never change.

A page is looked through once, whatever number of generations share it. After a capture only its
new pages are; after a prune those whose packs are gone. Memory: a set of pack ids for each page;
the index of all chunks only while pages are looked through.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import Final

from haoscar_pxe.errors import RepositoryError
from haoscar_pxe.image.entry import chunk_ids
from haoscar_pxe.image.manifest import Manifest, PageRef
from haoscar_pxe.image.page_entries import page_entries
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import TrustedKeys

log = logging.getLogger(__name__)

READER_MEMORY_BYTES: Final = 16 << 20


class PagePacks:
    """The packs of generations and of images. Safe to use from several threads."""

    def __init__(self, repository: Repository, trusted: TrustedKeys) -> None:
        self._repository = repository
        self._trusted = trusted
        self._lock = threading.Lock()
        self._there: frozenset[str] = frozenset()
        self._pages: dict[bytes, frozenset[str]] = {}
        self._images: dict[str, tuple[list[int], frozenset[str]]] = {}

    def of(self, manifest: Manifest) -> frozenset[str]:
        """Ids of the packs that hold all the generation needs, now.

        Raises ChunkMissingError or another IntegrityError if nobody can know, StorageError.
        """
        with self._lock:
            self._renew()
            return self._needed(manifest)

    def has_image(self, image: str, pack_id: str) -> bool:
        """Whether some generation of the image needs the pack. Cheap for a pack that it does.

        A pack that was needed and is not since the last prune may still count. Generations that
        cannot be read count for nothing. Raises StorageError.
        """
        with self._lock:
            if image in self._images and pack_id in self._images[image][1]:
                return True
            if not self._repository.store.pack_path(pack_id).is_file():
                return False
            self._renew()
            return pack_id in self._of_image(image)

    def _renew(self) -> None:
        """Forget what a prune has made untrue."""
        there = frozenset(self._repository.store.pack_ids())
        if there != self._there:
            self._there = there
            self._pages = {page: packs for page, packs in self._pages.items() if packs <= there}
            self._images = {}

    def _of_image(self, image: str) -> frozenset[str]:
        is_known = image in self._repository.images()
        numbers = self._repository.generations(image) if is_known else []
        known = self._images.get(image)
        if known is None or known[0] != numbers:
            packs = frozenset[str]().union(
                *map(self._packs_if_whole, ((image, n) for n in numbers))
            )
            known = self._images[image] = (numbers, packs)
        return known[1]

    def _packs_if_whole(self, name: tuple[str, int]) -> frozenset[str]:
        try:
            return self._needed(self._repository.manifest(*name, self._trusted))
        except RepositoryError as error:
            log.warning("the packs of %s@%d are given to no node: %s", *name, error)
            return frozenset()

    def _needed(self, manifest: Manifest) -> frozenset[str]:
        self._look_through(ref for ref in manifest.pages if ref.chunk_id not in self._pages)
        return frozenset[str]().union(*(self._pages[ref.chunk_id] for ref in manifest.pages))

    def _look_through(self, pages: Iterable[PageRef]) -> None:
        chunks: ChunkReader | None = None
        for ref in pages:
            if chunks is None:
                store = self._repository.store
                chunks = ChunkReader(store, memory_bytes=READER_MEMORY_BYTES)
            needed = {chunks.pack_of(ref.chunk_id)}
            for entry in page_entries([ref], chunks):
                needed.update(map(chunks.pack_of, chunk_ids(entry)))
            self._pages[ref.chunk_id] = frozenset(needed)
