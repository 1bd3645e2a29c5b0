"""Where chunks that a repository lost may still be: a second repository, or the tree itself.

What is found is hashed here, so no place is believed. Sealed boxes are in repositories only: the
same secret sealed anew is another box.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from blake3 import blake3

from haoscar_pxe.errors import IntegrityError, RepositoryError, StorageError
from haoscar_pxe.image.folders import open_root
from haoscar_pxe.image.manifest import MAX_MANIFEST_BYTES, Manifest
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import TrustedKeys


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where a chunk is part of a file."""

    path: bytes
    offset_bytes: int
    size_bytes: int


class Elsewhere(Protocol):
    """A place to look into."""

    def chunk(self, chunk_id: bytes, stretches: Iterable[Stretch]) -> bytes | None:
        """The chunk, verified, or None. stretches: of which files it is a part."""
        ...

    def manifest(self, image: str, generation: int, trusted: TrustedKeys) -> bytes | None:
        """The bytes of a generation's manifest, verified, or None."""
        ...


class OtherRepository:
    """A second repository in a folder of this machine, mounted or brought here."""

    def __init__(self, path: Path) -> None:
        """Raises RepositoryError if there is none at path, StorageError."""
        self._repository = Repository.open(path)
        self._chunks = ChunkReader(self._repository.store)

    def __str__(self) -> str:
        return str(self._repository.path)

    def chunk(self, chunk_id: bytes, stretches: Iterable[Stretch]) -> bytes | None:
        """See Elsewhere."""
        if chunk_id not in self._chunks:
            return None
        try:
            return self._chunks.chunk(chunk_id)
        except (IntegrityError, StorageError):
            return None

    def manifest(self, image: str, generation: int, trusted: TrustedKeys) -> bytes | None:
        """See Elsewhere."""
        try:
            found: Manifest = self._repository.manifest(image, generation, trusted)
            path = self._repository.manifest_path(image, generation)
            content = path.read_bytes()[: MAX_MANIFEST_BYTES + 1]
        except (RepositoryError, OSError):
            return None
        return content if blake3(content).hexdigest() == found.id else None


class Tree:
    """The tree that was captured, as it is now. Its files may be others by now."""

    def __init__(self, root: Path) -> None:
        """Raises OSError."""
        self._root = root
        self._root_fd = open_root(root)

    def __str__(self) -> str:
        return str(self._root)

    def chunk(self, chunk_id: bytes, stretches: Iterable[Stretch]) -> bytes | None:
        """See Elsewhere."""
        for stretch in stretches:
            with suppress(OSError):
                data = self._read(stretch)
                if blake3(data).digest() == chunk_id:
                    return data
        return None

    def manifest(self, image: str, generation: int, trusted: TrustedKeys) -> bytes | None:
        """See Elsewhere: no tree holds any."""
        return None

    def _read(self, stretch: Stretch) -> bytes:
        """What lies there. A path through a symbolic link may lead anywhere: the hash decides."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(stretch.path, flags, dir_fd=self._root_fd)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return b""
            return os.pread(fd, stretch.size_bytes, stretch.offset_bytes)
        finally:
            os.close(fd)
