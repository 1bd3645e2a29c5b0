"""Two generations, their delta, and a receiver that holds the older one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from haoscar_pxe.image.delta_making import make_delta
from haoscar_pxe.image.entry import chunk_ids
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.reader import ChunkReader, entries
from haoscar_pxe.image.receiver import Delta, Held, Receiver
from haoscar_pxe.image.repository import Repository
from tests.unit.image.tree_reading import store_tree


def noise(seed: str, size_bytes: int) -> bytes:
    """Bytes that do not compress, always the same for a seed."""
    return blake3(seed.encode()).digest(size_bytes)


@dataclass(frozen=True, slots=True)
class FileBlob:
    """A Blob that is a file."""

    path: Path

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        return self.path.read_bytes()[offset_bytes : offset_bytes + size_bytes]


@dataclass(frozen=True, slots=True)
class BytesBlob:
    """A Blob that is bytes."""

    data: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        return self.data[offset_bytes : offset_bytes + size_bytes]


@dataclass(frozen=True, slots=True)
class Pair:
    """Generations 1 and 2 in one repository, and the file of their delta."""

    repository: Repository
    older: Manifest
    newer: Manifest
    path: Path

    def chunks(self) -> ChunkReader:
        return ChunkReader(self.repository.store)

    def needed(self, manifest: Manifest) -> set[bytes]:
        """Every chunk of a generation, pages among them."""
        pages = {ref.chunk_id for ref in manifest.pages}
        found = entries(manifest, self.chunks())
        return pages.union(*(chunk_ids(each) for each in found))

    def held(self) -> Held:
        """What somebody holds who has the older generation."""
        has, chunks = self.needed(self.older), self.chunks()
        return lambda chunk_id: chunks.chunk(chunk_id) if chunk_id in has else None

    def wanted(self) -> set[bytes]:
        """What that one lacks of the newer generation."""
        return self.needed(self.newer) - self.needed(self.older)

    def delta(self) -> Delta:
        return Delta(FileBlob(self.path), "the delta", self.older, self.newer)

    def receiver(self, held: Held | None = None, delta: Delta | None = None) -> Receiver:
        """A receiver that fetches whole chunks from the same repository."""
        return Receiver(held or self.held(), delta or self.delta(), self.chunks)


def make_pair(
    folder: Path, before: Callable[[Path], object], after: Callable[[Path], object]
) -> Pair:
    """Capture a tree that `before` makes, and again when `after` has changed it."""
    repository = Repository.create(folder / "repository")
    tree = folder / "tree"
    tree.mkdir()
    before(tree)
    older = store_tree(repository, tree)
    after(tree)
    newer = store_tree(repository, tree)
    path = folder / "1-2.delta"
    make_delta(older, newer, ChunkReader(repository.store), path)
    return Pair(repository, older, newer, path)
