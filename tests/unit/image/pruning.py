"""Prunes of a test repository, and what a reader finds in it before and after."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC

from blake3 import blake3

from haoscar_pxe.image.entry import File
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.prune import PruneReport, prune
from haoscar_pxe.image.prune_plan import PrunePlan, Retention, plan_prune
from haoscar_pxe.image.reader import ChunkReader, entries, extents
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.retention import GenerationKey, RetentionPolicy
from haoscar_pxe.image.verify import verify_repository
from tests.unit.image.generations import TRUSTED

LAST = RetentionPolicy(1, 0, 0, 0)
EVERYTHING = RetentionPolicy(0, 0, 0, 0)


def plan_of(
    repository: Repository,
    policy: RetentionPolicy = LAST,
    *,
    protected: Mapping[GenerationKey, str] | None = None,
    dropped: Collection[GenerationKey] = (),
    chunks: ChunkReader | None = None,
) -> PrunePlan:
    """What a prune would do."""
    retention = Retention(policy, UTC, protected or {}, dropped)
    reader = chunks or ChunkReader(repository.store)
    return plan_prune(repository, TRUSTED, retention, reader, Silence())


def prune_now(
    repository: Repository,
    policy: RetentionPolicy = LAST,
    *,
    dropped: Collection[GenerationKey] = (),
    in_use: Callable[[], Collection[str]] = frozenset,
) -> PruneReport:
    """Plan and carry out."""
    with repository.alone():
        chunks = ChunkReader(repository.store)
        plan = plan_of(repository, policy, dropped=dropped, chunks=chunks)
        return prune(plan, repository, chunks, in_use, Silence())


def content_of(repository: Repository, image: str, generation: int) -> str:
    """A hash of all that a restore of the generation would read."""
    chunks = ChunkReader(repository.store)
    found = blake3()
    for entry in entries(repository.manifest(image, generation, TRUSTED), chunks):
        found.update(repr(entry).encode())
        if isinstance(entry, File):
            for _, data in extents(entry, chunks):
                found.update(data)
    return found.hexdigest()


def contents(repository: Repository) -> dict[GenerationKey, str]:
    """`content_of` each generation there is."""
    return {
        (image, number): content_of(repository, image, number)
        for image in repository.images()
        for number in repository.generations(image)
    }


def is_sound(repository: Repository) -> bool:
    """Whether every byte and every generation is whole."""
    return verify_repository(repository, TRUSTED, Silence()).is_good


def packs_bytes(repository: Repository) -> int:
    """What all packs take up."""
    store = repository.store
    return sum(store.size(pack_id) for pack_id in store.pack_ids())
