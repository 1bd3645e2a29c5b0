"""Generations opened for reading, kept open while nodes boot from them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from haoscar_pxe.boot.listing import Listing
from haoscar_pxe.image.entry import AnyFile, HardLink
from haoscar_pxe.image.folder import children
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.page_packs import PagePacks
from haoscar_pxe.image.reader import ChunkReader, find, read_file, resolve
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.sealing_keys import KeyFolder
from haoscar_pxe.image.signing import TrustedKeys

READER_MEMORY_BYTES = 16 << 20
OPEN_AT_ONCE = 8


class GenerationFiles:
    """The files of one generation, as `boot` needs them; safe to use from several threads."""

    def __init__(self, manifest: Manifest, chunks: ChunkReader) -> None:
        self.manifest = manifest
        self._chunks = chunks
        self._lock = threading.Lock()

    def read(self, path: bytes) -> bytes | None:
        """See ImageFiles."""
        with self._lock:
            if not isinstance(resolve(self.manifest, self._chunks, path), AnyFile):
                return None
            return read_file(self.manifest, self._chunks, path)

    def is_regular(self, path: bytes) -> bool:
        """See ImageFiles."""
        with self._lock:
            entry = find(self.manifest, self._chunks, path)
            if isinstance(entry, HardLink):
                entry = find(self.manifest, self._chunks, entry.target)
            return isinstance(entry, AnyFile)

    def names(self, folder: bytes) -> list[bytes]:
        """See ImageFiles; a symbolic link to a folder is followed."""
        with self._lock:
            at = resolve(self.manifest, self._chunks, folder) if folder else None
            path = at.path if at else folder
            listed = children(self.manifest, self._chunks, path)
            return [entry.path.rpartition(b"/")[2] for entry in listed]


@dataclass(frozen=True, slots=True)
class Generations:
    """The repository as the boot server sees it. Opening one reads its packs' indexes once.

    keys: what opens secrets; only `identity` looks into any (connections of NetworkManager).
    packs: which of them a generation or an image needs.
    """

    repository: Repository
    trusted: TrustedKeys
    keys: KeyFolder
    listing: Listing
    packs: PagePacks
    opened: dict[tuple[str, int], GenerationFiles]
    lock: threading.Lock

    @classmethod
    def of(cls, path: Path, trusted: TrustedKeys, keys: KeyFolder) -> Generations:
        """Of the repository at path. Raises RepositoryError."""
        repository = Repository.open(path)
        packs = PagePacks(repository, trusted)
        return cls(repository, trusted, keys, Listing(repository), packs, {}, threading.Lock())

    def images(self) -> frozenset[str]:
        """The images that have a generation."""
        return self.listing.images()

    def newest(self, image: str) -> int:
        """The number of an image's newest generation. Raises RepositoryError if unknown."""
        return self.listing.generations(image)[-1]

    def packs_of(self, image: str, generation: int) -> list[str]:
        """Ids of all packs that it needs, ascending. Raises as `open`."""
        return sorted(self.packs.of(self.repository.manifest(image, generation, self.trusted)))

    def open(self, image: str, generation: int) -> GenerationFiles:
        """A generation to read from. Raises RepositoryError, IntegrityError, StorageError."""
        with self.lock:
            files = self.opened.get((image, generation))
            if files is None:
                while len(self.opened) >= OPEN_AT_ONCE:
                    del self.opened[next(iter(self.opened))]
                manifest = self.repository.manifest(image, generation, self.trusted)
                chunks = ChunkReader(
                    self.repository.store,
                    opening=self.keys.ring(image),
                    memory_bytes=READER_MEMORY_BYTES,
                )
                files = self.opened[(image, generation)] = GenerationFiles(manifest, chunks)
            return files
