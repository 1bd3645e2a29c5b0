"""Reads a repository back to the last byte and names everything that is not as it should be.

Every pack must have the content its name says and every chunk the content its id says; every
manifest must be signed, every page canonical, every chunk that a file needs must be among those
just verified. Nothing is repaired here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from haoscar_pxe.errors import IntegrityError, RepositoryError
from haoscar_pxe.image.entry import AnyFile, SealedFile
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.reader import ChunkReader, entries, packs_of
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.salvage import ReadPack, read_pack
from haoscar_pxe.image.sealing import OVERHEAD_BYTES
from haoscar_pxe.image.signing import TrustedKeys
from haoscar_pxe.image.store import PackGoneError, PackStore

NAMED_FILES: Final = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; where: a pack's or generation's name."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was read, and everything that was wrong with it."""

    packs: int
    chunks: int
    generations: int
    read_bytes: int
    problems: tuple[Problem, ...]

    @property
    def is_good(self) -> bool:
        """Whether nothing was wrong."""
        return not self.problems


def verify_repository(
    repository: Repository, trusted: TrustedKeys, progress: Progress
) -> VerifyReport:
    """Verify all packs and all generations. Problems are reported; StorageError is raised."""
    named = [
        (image, each) for image in repository.images() for each in repository.generations(image)
    ]
    return _verify(repository, trusted, progress, repository.store.pack_ids(), named)


def verify_generation(
    repository: Repository,
    image: str,
    generation: int | None,
    trusted: TrustedKeys,
    progress: Progress,
) -> VerifyReport:
    """Verify one generation (None: the newest) and the packs that it needs.

    Raises RepositoryError if there is no such generation.
    """
    number = repository.generations(image)[-1] if generation is None else generation
    try:
        manifest = repository.manifest(image, number, trusted)
        pack_ids = packs_of(manifest, ChunkReader(repository.store))
    except IntegrityError:  # then it is not known which packs it needs
        pack_ids = repository.store.pack_ids()
    return _verify(repository, trusted, progress, pack_ids, [(image, number)])


def _verify(
    repository: Repository,
    trusted: TrustedKeys,
    progress: Progress,
    pack_ids: list[str],
    generations: list[tuple[str, int]],
) -> VerifyReport:
    """Prune may work at the same time: what it takes away or moves is no damage."""
    packs = _Packs(repository.store)
    packs.verify(pack_ids, progress)
    problems: list[Problem] = []
    count = 0
    for image, number in generations:
        reasons = _reasons(repository, trusted, packs, image, number)
        while reasons and packs.verify_new(progress):  # prune has moved chunks into others
            reasons = _reasons(repository, trusted, packs, image, number)
        if reasons and not repository.manifest_path(image, number).exists():
            continue  # prune has deleted it
        count += 1
        where = f"image {image} generation {number}"
        problems += [Problem(where, reason) for reason in reasons]
    problems = [*packs.problems, *problems]
    return VerifyReport(packs.count, len(packs.good), count, packs.read_bytes, tuple(problems))


def _reasons(
    repository: Repository, trusted: TrustedKeys, packs: _Packs, image: str, number: int
) -> list[str]:
    """What is wrong with a generation, in words."""
    try:
        manifest = repository.manifest(image, number, trusted)
        chunks = ChunkReader(repository.store, packs.pack_ids)
        return list(_wrong_entries(manifest, chunks, packs.good))
    except RepositoryError as error:
        return [str(error)]


def _wrong_entries(
    manifest: Manifest, chunks: ChunkReader, good: Mapping[bytes, int]
) -> Iterator[str]:
    """What is wrong with files of a generation; the first few by name."""
    wrong = 0
    for entry in entries(manifest, chunks):
        if isinstance(entry, AnyFile) and (reason := _wrong_file(entry, good)):
            wrong += 1
            if wrong <= NAMED_FILES:
                yield f"{entry.path!r}: {reason}"
    if wrong > NAMED_FILES:
        yield f"and {wrong - NAMED_FILES} more files"


def _wrong_file(entry: AnyFile, good: Mapping[bytes, int]) -> str:
    """Of a sealed file the boxes are checked, which needs no key."""
    overhead = OVERHEAD_BYTES if isinstance(entry, SealedFile) else 0
    for extent in entry.extents:
        size = good.get(extent.chunk_id)
        if size is None:
            return f"chunk {extent.chunk_id.hex()[:12]} is missing or damaged"
        if size != extent.size_bytes + overhead:
            return f"a chunk has {size} bytes, not {extent.size_bytes + overhead}"
    return ""


class _Packs:
    """Packs read whole; those that prune takes away meanwhile are passed over.

    good: sizes of the chunks that are what their ids say. count, pack_ids: of the packs read.
    """

    def __init__(self, store: PackStore) -> None:
        self._store = store
        self._there = set(store.pack_ids())
        self.pack_ids: list[str] = []
        self.good: dict[bytes, int] = {}
        self.problems: list[Problem] = []
        self.read_bytes = 0

    @property
    def count(self) -> int:
        return len(self.pack_ids)

    def verify(self, pack_ids: list[str], progress: Progress) -> None:
        """Verify each pack, one after the other."""
        sizes = dict(self._sizes(pack_ids))
        progress.expect(self.read_bytes + sum(sizes.values()))
        for pack_id, size in sizes.items():
            try:
                found = read_pack(self._store, pack_id, size)
            except PackGoneError:
                continue
            self._take(found)
            self.pack_ids.append(pack_id)
            self.read_bytes += size
            progress.advance(size)

    def verify_new(self, progress: Progress) -> bool:
        """Verify the packs that came since the last look; whether there were any."""
        new = set(self._store.pack_ids()) - self._there
        self._there |= new
        self.verify(sorted(new), progress)
        return bool(new)

    def _sizes(self, pack_ids: list[str]) -> Iterator[tuple[str, int]]:
        for pack_id in pack_ids:
            with suppress(PackGoneError):
                yield pack_id, self._store.size(pack_id)

    def _take(self, found: ReadPack) -> None:
        self.problems += [Problem(f"pack {found.pack_id}", reason) for reason in found.reasons]
        if not found.is_readable:
            return
        self.good |= {chunk_id: at.raw_bytes for chunk_id, at in found.good.items()}
