"""Writes one generation: chunks into packs, entries into pages, then everything at once.

Order of a commit, each step durable before the next: packs, their folders, the manifest's bytes,
then its name by one link(2), which never replaces anything. Killed before that link, the
repository shows nothing new.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from blake3 import blake3

from haoscar_pxe import __version__
from haoscar_pxe.errors import RepositoryError
from haoscar_pxe.image.chunk_index import ChunkIndex
from haoscar_pxe.image.compressing import Compressed, processors_to_spare
from haoscar_pxe.image.compression import MAX_CHUNK_BYTES
from haoscar_pxe.image.durable import storage_errors, sync_folder, write_durably
from haoscar_pxe.image.entry import (
    AnyFile,
    Entry,
    HardLink,
    SealedFile,
    chunk_ids,
    stored_bytes,
)
from haoscar_pxe.image.manifest import (
    FORMAT,
    MAX_MANIFEST_BYTES,
    Manifest,
    PageRef,
    Record,
    Root,
    manifest_id,
    open_manifest,
    seal,
)
from haoscar_pxe.image.pack import Kind
from haoscar_pxe.image.pack_writer import PackWriter
from haoscar_pxe.image.page import PageCutter
from haoscar_pxe.image.page_entries import page_reader
from haoscar_pxe.image.reader import check_link_target
from haoscar_pxe.image.sealing import OVERHEAD_BYTES
from haoscar_pxe.image.signing import SigningKey, TrustedKeys
from haoscar_pxe.image.store import FolderStore
from haoscar_pxe.image.tree import MalformedTreeError, TreeChecker


class GenerationWriter:
    """Made by `Repository.writer`, which holds the image's lock meanwhile.

    Not for use by two threads at once. After an error nothing can be committed any more.
    """

    def __init__(
        self,
        image: str,
        generations: Sequence[int],
        images: Path,
        folder: Path,
        store: FolderStore,
        known: ChunkIndex,
    ) -> None:
        """generations: those there are. images: where manifests go. folder: this writer's own."""
        self._image = image
        self._number = generations[-1] + 1 if generations else 1
        self._images = images
        self._folder = folder
        self._store = store
        self._known = known
        self._added: set[bytes] = set()
        self._data = PackWriter(folder, Kind.DATA, processors_to_spare())
        self._meta = PackWriter(folder, Kind.META)
        self._sealed = PackWriter(folder, Kind.SEALED)
        self._boxes: dict[bytes, int] = {}
        self._sealing_keys: set[bytes] = set()
        self._checker = TreeChecker()
        self._cutter = PageCutter()
        self._pages: list[PageRef] = []
        self._links: dict[bytes, bytes] = {}
        self._is_intact = True
        self._entry_count = self._logical_bytes = self._stored_bytes = 0
        self._sealed_files = 0

    @property
    def generation(self) -> int:
        """The number that a commit will give."""
        return self._number

    @property
    def parent(self) -> str:
        """Id of the generation before, "" for the first one. Raises StorageError."""
        return self._parent()

    def has_chunk(self, chunk_id: bytes) -> bool:
        """Whether repository or this writer hold the chunk already."""
        return chunk_id in self._added or chunk_id in self._known

    def has_chunks_of(self, entries: Iterable[Entry]) -> bool:
        """Whether all chunks that these entries need are there already."""
        needed = {chunk_id for entry in entries for chunk_id in chunk_ids(entry)}
        return self._added.issuperset(self._known.lacks(needed))

    def add_chunk(self, data: bytes | memoryview) -> bytes:
        """Store 1 … MAX_CHUNK_BYTES bytes unless they are there already; their id.

        Raises StorageError (full or failing disk), ValueError for another size.
        """
        return self._store_chunk(self._data, data)

    def add_compressed(self, chunk: Compressed) -> None:
        """Store a chunk as it came, unless it is there already: compressing it again costs most.

        The caller has restored it, and seen that it has its id. Raises StorageError.
        """
        if not self.has_chunk(chunk.chunk_id):
            self._is_intact = False
            self._data.add_compressed(chunk)
            self._added.add(chunk.chunk_id)
            self._is_intact = True

    def add_box(self, box: bytes) -> bytes:
        """Store a sealed box, apart from public chunks; its id. Raises as `add_chunk`."""
        chunk_id = self._store_chunk(self._sealed, box)
        self._boxes[chunk_id] = len(box)
        return chunk_id

    def add_entry(self, entry: Entry) -> None:
        """Add the next entry, in the order of `sort_key`, the root folder first.

        Raises MalformedTreeError for an entry out of order, without parent, with impossible
        values, or with a chunk that was not added.
        """
        self._checker.check(entry)
        self._take_in(entry)
        self._entry_count += 1
        if self._cutter.add(entry):
            self._end_page()

    @property
    def is_between_pages(self) -> bool:
        """Whether the next entry begins a page."""
        return not len(self._cutter)

    def add_page(self, ref: PageRef, entries: Sequence[Entry]) -> None:
        """Add a whole page of a generation before, where a page begins.

        Raises MalformedTreeError as `add_entry`; the entries themselves were checked back then.
        """
        if not self.is_between_pages or not self.has_chunk(ref.chunk_id):
            raise MalformedTreeError(ref.first, "its page cannot be put here")
        if not self.has_chunks_of(entries):
            raise MalformedTreeError(ref.first, "a chunk of its page was never added")
        self._checker.follow(entries)
        for entry in entries:
            self._count(entry)
        self._entry_count += len(entries)
        self._pages.append(ref)

    def keep(self) -> int:
        """Put what was added into the repository, durably, whether a commit follows or not.

        No generation needs these packs yet: the next writer knows their chunks, a prune removes
        them. Does nothing after a write that failed. Returns the bytes of all packs of this
        writer so far. Raises StorageError.
        """
        every = (self._data, self._sealed, self._meta)
        if self._is_intact:
            self._is_intact = False
            for packs in every:
                packs.close()
                packs.publish(self._store)
            self._is_intact = True
        return sum(packs.packed_bytes for packs in every)

    def commit(self, record: Record, signer: SigningKey) -> Manifest:
        """Make the generation exist, durably. Raises StorageError, MalformedTreeError.

        RepositoryError after a write that failed, or a second time.
        """
        if not self._is_intact:
            raise RepositoryError(f"this writer of image '{self._image}' can commit nothing more")
        if len(self._cutter):
            self._end_page()
        self._is_intact = False
        packed_bytes = 0
        for packs in (self._data, self._sealed, self._meta):
            packs.close()
            packs.publish(self._store)
            packed_bytes += packs.packed_bytes
        self._check_links()
        sealed = seal(self._root(record, packed_bytes), signer)
        # Read as any reader would: what cannot be opened again is never published.
        manifest = open_manifest(sealed, TrustedKeys.of(signer.public), self._image)
        self._publish(sealed)
        return manifest

    def abandon(self) -> None:
        """Close what is open. The writer's folder is removed by who made it."""
        self._data.abandon()
        self._sealed.abandon()
        self._meta.abandon()

    def _store_chunk(self, packs: PackWriter, data: bytes | memoryview) -> bytes:
        if not 1 <= len(data) <= MAX_CHUNK_BYTES:
            raise ValueError(f"a chunk has 1 to {MAX_CHUNK_BYTES} bytes, not {len(data)}")
        chunk_id = blake3(data).digest()
        if not self.has_chunk(chunk_id):
            self._is_intact = False
            packs.add(chunk_id, data)
            self._added.add(chunk_id)
            self._is_intact = True
        return chunk_id

    def _take_in(self, entry: Entry) -> None:
        """Check what the entry needs, and count it."""
        for chunk_id in chunk_ids(entry):
            if not self.has_chunk(chunk_id):
                raise MalformedTreeError(entry.path, "a chunk of it was never added")
        self._count(entry)

    def _count(self, entry: Entry) -> None:
        if isinstance(entry, AnyFile):
            self._logical_bytes += entry.size_bytes
            self._stored_bytes += stored_bytes(entry)
        if isinstance(entry, SealedFile):
            self._take_in_sealed(entry)
        elif isinstance(entry, HardLink):
            self._links.setdefault(entry.target, entry.path)

    def _take_in_sealed(self, entry: SealedFile) -> None:
        for extent in entry.extents:
            if self._box_bytes(extent.chunk_id) != extent.size_bytes + OVERHEAD_BYTES:
                raise MalformedTreeError(entry.path, "a sealed chunk of it has another size")
        self._sealed_files += 1
        self._sealing_keys.add(entry.key_id)

    def _box_bytes(self, chunk_id: bytes) -> int:
        size_bytes = self._boxes.get(chunk_id)
        if size_bytes is None:
            found = self._known.find(chunk_id)
            size_bytes = found.location.raw_bytes if found else 0
        return size_bytes

    def _end_page(self) -> None:
        first, count = self._cutter.first, len(self._cutter)
        chunk_id = self._store_chunk(self._meta, self._cutter.take())
        self._pages.append(PageRef(first, chunk_id, count))

    def _check_links(self) -> None:
        """Every hard link's target is in the pages just written, and can be linked to."""
        if not self._links:
            return
        chunks = page_reader(self._store)
        for target, path in sorted(self._links.items()):
            check_link_target(self._pages, chunks, path, target)

    def _root(self, record: Record, packed_bytes: int) -> Root:
        return Root(
            **msgspec.structs.asdict(record),
            format=FORMAT,
            image=self._image,
            generation=self._number,
            parent=self._parent(),
            tool_version=__version__,
            entry_count=self._entry_count,
            logical_bytes=self._logical_bytes,
            stored_bytes=self._stored_bytes,
            packed_bytes=packed_bytes,
            sealed_files=self._sealed_files,
            sealing_keys=tuple(sorted(self._sealing_keys)),
            pages=tuple(self._pages),
        )

    def _parent(self) -> str:
        path = self._images / f"{self._number - 1}.manifest"
        if self._number == 1:
            return ""
        with storage_errors("read the parent", path), path.open("rb") as file:
            return manifest_id(file.read(MAX_MANIFEST_BYTES))

    def _publish(self, sealed: bytes) -> None:
        publish_manifest(self._folder, self._images / f"{self._number}.manifest", sealed)


def publish_manifest(folder: Path, path: Path, sealed: bytes) -> None:
    """Make a generation exist, durably, by one link. folder: the writer's own.

    Raises RepositoryError if there is one of that number already, StorageError.
    """
    own = folder / path.name
    with storage_errors("write the manifest", path):
        write_durably(own, sealed)
        try:
            os.link(own, path)
        except FileExistsError as error:
            raise RepositoryError(f"{path} exists already; nothing was replaced") from error
        sync_folder(path.parent)
