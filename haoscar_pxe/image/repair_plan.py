"""The plan of a repair: which packs leave, what of them is kept, what is found elsewhere.

Making it reads every pack whole and changes nothing. `repair.py` carries it out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from blake3 import blake3

from haoscar_pxe.errors import IntegrityError, RepositoryError, StorageError
from haoscar_pxe.image.elsewhere import Elsewhere, Stretch
from haoscar_pxe.image.entry import AnyFile, SealedFile
from haoscar_pxe.image.manifest import Manifest, open_manifest
from haoscar_pxe.image.pack import Kind
from haoscar_pxe.image.page_source import PageSource
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.reader import ChunkMissingError, ChunkReader
from haoscar_pxe.image.repository import Repository, check_names
from haoscar_pxe.image.salvage import ReadPack, read_pack, stored_chunk
from haoscar_pxe.image.signing import TrustedKeys

STRETCHES_KEPT: Final = 16
"""So many places of a lost chunk are remembered, to look for it in a tree."""


@dataclass(frozen=True, slots=True)
class BrokenManifest:
    """A manifest that cannot be read. replacement: what stands elsewhere under its name."""

    image: str
    generation: int
    reason: str
    replacement: bytes | None


@dataclass(frozen=True, slots=True)
class Loss:
    """What a generation will still lack. lost_pages: how many lists of files, so not all are named.

    files: paths that are there in part or not at all. sealed: those among them that are secrets.
    """

    image: str
    generation: int
    lost_pages: int
    files: tuple[bytes, ...]
    sealed: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A lost chunk that another place has. stretches: of which files it is a part."""

    chunk_id: bytes
    place: Elsewhere
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class RepairPlan:
    """All that a repair will do.

    damaged: packs that leave, and where their good chunks lie. kinds: in which kind of pack a
    chunk belongs that a generation needs and no whole pack holds. losses: what stays lost.
    """

    damaged: tuple[ReadPack, ...]
    kinds: Mapping[bytes, Kind]
    found: tuple[Found, ...]
    manifests: tuple[BrokenManifest, ...]
    losses: tuple[Loss, ...]

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to be done."""
        return not (self.damaged or self.found or any(each.replacement for each in self.manifests))

    @property
    def is_complete(self) -> bool:
        """Whether every generation will be whole."""
        return not self.losses and all(each.replacement for each in self.manifests)


def plan_repair(
    repository: Repository,
    trusted: TrustedKeys,
    elsewhere: Sequence[Elsewhere],
    progress: Progress,
) -> RepairPlan:
    """Read everything and decide. While nobody writes, if it is to be carried out.

    Raises StorageError where the disk does not even list.
    """
    packs = list(_read_packs(repository, progress))
    damaged = [pack for pack in packs if not pack.is_whole]
    whole = [pack.pack_id for pack in packs if pack.is_whole]
    manifests, broken = _manifests(repository, trusted, elsewhere)
    needs = _Needs(_Sources(repository, whole, damaged, elsewhere))
    for manifest in manifests:
        needs.count(manifest)
    found = tuple(needs.look_elsewhere(elsewhere))
    return RepairPlan(
        damaged=tuple(damaged),
        kinds=needs.kinds,
        found=found,
        manifests=tuple(broken),
        losses=tuple(needs.losses({each.chunk_id for each in found})),
    )


def _read_packs(repository: Repository, progress: Progress) -> Iterator[ReadPack]:
    store = repository.store
    sizes = {pack_id: store.size(pack_id) for pack_id in store.pack_ids()}
    progress.expect(sum(sizes.values()))
    for pack_id, size in sizes.items():
        pack = read_pack(store, pack_id, size)
        progress.advance(size)
        # Where the good chunks of whole packs lie is in the packs' own indexes.
        yield pack if not pack.is_whole else replace(pack, good={})


def _manifests(
    repository: Repository, trusted: TrustedKeys, elsewhere: Sequence[Elsewhere]
) -> tuple[list[Manifest], list[BrokenManifest]]:
    """Those that can be read, replacements among them, and those that cannot."""
    manifests: list[Manifest] = []
    broken: list[BrokenManifest] = []
    for image in repository.images():
        for number in repository.generations(image):
            try:
                manifests.append(repository.manifest(image, number, trusted))
            except RepositoryError as error:
                other = _replacement(repository, trusted, elsewhere, image, number)
                broken.append(BrokenManifest(image, number, str(error), other))
                if other is not None:
                    manifests.append(open_manifest(other, trusted, f"{image}@{number}"))
    return manifests, broken


def _replacement(
    repository: Repository,
    trusted: TrustedKeys,
    elsewhere: Sequence[Elsewhere],
    image: str,
    number: int,
) -> bytes | None:
    """The manifest from another place, unless the generation after it had another parent."""
    for place in elsewhere:
        content = place.manifest(image, number, trusted)
        if content is None:
            continue
        check_names(open_manifest(content, trusted, str(place)), image, number, str(place))
        try:
            after = repository.manifest(image, number + 1, trusted)
        except RepositoryError:
            return content
        if after.parent == blake3(content).hexdigest():
            return content
    return None


class _Sources(PageSource):
    """Chunks from wherever they can be had: whole packs, damaged ones, other places."""

    def __init__(
        self,
        repository: Repository,
        whole: Sequence[str],
        damaged: Sequence[ReadPack],
        elsewhere: Sequence[Elsewhere],
    ) -> None:
        super().__init__()
        self._store = repository.store
        self.whole = ChunkReader(repository.store, whole)
        self.salvaged = {
            chunk_id: (pack.pack_id, at) for pack in damaged for chunk_id, at in pack.good.items()
        }
        self._elsewhere = elsewhere

    def chunk(self, chunk_id: bytes) -> bytes:
        """See PageSource."""
        if chunk_id in self.whole:
            return self.whole.chunk(chunk_id)
        if chunk_id in self.salvaged:
            return stored_chunk(self._store, *self.salvaged[chunk_id])
        for place in self._elsewhere:
            if (data := place.chunk(chunk_id, ())) is not None:
                return data
        raise ChunkMissingError(chunk_id, self._store, ())


@dataclass(frozen=True, slots=True)
class _Lacking:
    """A file, or a page (path None), and its chunks that the repository does not hold."""

    path: bytes | None
    is_sealed: bool
    chunk_ids: tuple[bytes, ...]


class _Needs:
    """What the generations need and whole packs do not hold.

    kinds: of these chunks, those of damaged packs among them.
    """

    def __init__(self, sources: _Sources) -> None:
        self._sources = sources
        self.kinds: dict[bytes, Kind] = {}
        self._lost: dict[bytes, list[Stretch]] = {}
        self._lacking: dict[tuple[str, int], list[_Lacking]] = {}

    def count(self, manifest: Manifest) -> None:
        """Take in what a generation needs."""
        lacking = self._lacking[manifest.image, manifest.generation] = []
        for ref in manifest.pages:
            if not self._holds(ref.chunk_id, Kind.META, None):
                lacking.append(_Lacking(None, False, (ref.chunk_id,)))
            try:
                page = self._sources.page(ref)
            except (IntegrityError, StorageError):  # it is lost, and told so
                continue
            files = (entry for entry in page if isinstance(entry, AnyFile))
            lacking += [each for each in map(self._file, files) if each.chunk_ids]

    def _file(self, entry: AnyFile) -> _Lacking:
        is_sealed = isinstance(entry, SealedFile)
        kind = Kind.SEALED if is_sealed else Kind.DATA
        gone = [
            extent.chunk_id
            for extent in entry.extents
            if not self._holds(
                extent.chunk_id,
                kind,
                Stretch(entry.path, extent.offset_bytes, extent.size_bytes),
            )
        ]
        return _Lacking(entry.path, is_sealed, tuple(gone))

    def _holds(self, chunk_id: bytes, kind: Kind, stretch: Stretch | None) -> bool:
        if chunk_id in self._sources.whole:
            return True
        self.kinds[chunk_id] = kind
        if chunk_id in self._sources.salvaged:
            return True
        stretches = self._lost.setdefault(chunk_id, [])
        if stretch is not None and len(stretches) < STRETCHES_KEPT:
            stretches.append(stretch)
        return False

    def look_elsewhere(self, elsewhere: Sequence[Elsewhere]) -> Iterator[Found]:
        """Each lost chunk that one of these places has."""
        for chunk_id, stretches in self._lost.items():
            for place in elsewhere:
                if place.chunk(chunk_id, stretches) is not None:
                    yield Found(chunk_id, place, tuple(stretches))
                    break

    def losses(self, found: Collection[bytes]) -> Iterator[Loss]:
        """What stays lost when these chunks were brought."""
        for (image, generation), lacking in self._lacking.items():
            left = [each for each in lacking if not all(map(found.__contains__, each.chunk_ids))]
            if left:
                yield Loss(
                    image,
                    generation,
                    lost_pages=sum(each.path is None for each in left),
                    files=tuple(each.path for each in left if each.path is not None),
                    sealed=tuple(e.path for e in left if e.path is not None and e.is_sealed),
                )
