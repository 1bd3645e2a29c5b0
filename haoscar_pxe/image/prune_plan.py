"""The plan of a prune: which generations go, and what becomes of each pack.

`plan_packs` is a function of values; `plan_prune` reads the repository and changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from haoscar_pxe.errors import IntegrityError, RepositoryError, StorageError
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.pack_use import PackUse, Usage, usage_of
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.retention import (
    Candidate,
    GenerationKey,
    RetentionPolicy,
    Verdict,
    judge,
)
from haoscar_pxe.image.signing import TrustedKeys

REWRITE_BELOW: Final = 0.5
"""A pack of which less is needed is written anew: less is copied than becomes free."""


@dataclass(frozen=True, slots=True)
class Retention:
    """What decides on generations.

    protected: generations that somebody needs, and who. dropped: to be deleted whatever the policy
    says. zone: where days begin.
    """

    policy: RetentionPolicy
    zone: tzinfo
    protected: Mapping[GenerationKey, str]
    dropped: Collection[GenerationKey] = ()


@dataclass(frozen=True, slots=True)
class PackPlan:
    """What becomes of the packs. spoilt: ids of packs whose index is damaged, to be removed too.

    damaged: ids of those that stay because chunks are missing that they may hold.
    """

    kept: tuple[PackUse, ...]
    removed: tuple[PackUse, ...]
    rewritten: tuple[PackUse, ...]
    spoilt: tuple[str, ...]
    damaged: tuple[str, ...]

    @property
    def freed_bytes(self) -> int:
        """What becomes free, up to the few bytes of new packs' headers; not of spoilt packs."""
        removed = sum(use.index.size_bytes for use in self.removed)
        return removed + sum(use.blob_bytes - use.needed_bytes for use in self.rewritten)


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """All that a prune will do. missing_chunks: needed by generations and nowhere to be found."""

    verdicts: tuple[Verdict, ...]
    packs: PackPlan
    missing_chunks: int

    @property
    def deleted(self) -> tuple[Verdict, ...]:
        """The generations that go."""
        return tuple(each for each in self.verdicts if not each.is_kept)


def plan_prune(
    repository: Repository,
    trusted: TrustedKeys,
    retention: Retention,
    chunks: ChunkReader,
    progress: Progress,
) -> PrunePlan:
    """Make the plan. chunks: of all packs, opened while nobody writes if it is to be carried out.

    Raises RepositoryError (a generation to be dropped is not there or must stay), IntegrityError
    (a generation that stays cannot be read, so it is not known what it needs), StorageError.
    """
    _check_store(chunks)
    candidates, manifests = _generations(repository, trusted)
    verdicts = judge(
        candidates,
        retention.policy,
        retention.zone,
        protected=retention.protected,
        dropped=retention.dropped,
    )
    _check_dropped(retention.dropped, verdicts)
    kept = [verdict.key for verdict in verdicts if verdict.is_kept]
    usage = usage_of(_all_of(kept, manifests), chunks, progress)
    packs = plan_packs(usage, set(repository.store.pack_ids()))
    return PrunePlan(tuple(verdicts), packs, usage.missing_chunks)


def plan_packs(usage: Usage, there: Collection[str]) -> PackPlan:
    """Decide on each pack by how much of it is needed. there: ids of all packs.

    A pack without a readable index holds nothing that a reader could find. It goes as soon as
    nothing is missing; until then somebody may want to look into it.
    """
    needed = [use for use in usage.packs if use.is_needed]
    rewritten = [use for use in needed if use.needed_bytes < REWRITE_BELOW * use.blob_bytes]
    unreadable = sorted(set(there) - {use.pack_id for use in usage.packs})
    return PackPlan(
        kept=tuple(use for use in needed if use not in rewritten),
        removed=tuple(use for use in usage.packs if not use.is_needed),
        rewritten=tuple(rewritten),
        spoilt=() if usage.missing_chunks else tuple(unreadable),
        damaged=tuple(unreadable) if usage.missing_chunks else (),
    )


def _generations(
    repository: Repository, trusted: TrustedKeys
) -> tuple[list[Candidate], dict[GenerationKey, Manifest | IntegrityError]]:
    """All generations, and their manifests or why they cannot be read."""
    candidates: list[Candidate] = []
    manifests: dict[GenerationKey, Manifest | IntegrityError] = {}
    for image in repository.images():
        for number in repository.generations(image):
            created_ns: int | None = None
            try:
                manifest = repository.manifest(image, number, trusted)
                manifests[image, number], created_ns = manifest, manifest.created_ns
            except IntegrityError as error:
                manifests[image, number] = error
            candidates.append(Candidate(image, number, created_ns))
    return candidates, manifests


def _all_of(
    keys: Sequence[GenerationKey], manifests: Mapping[GenerationKey, Manifest | IntegrityError]
) -> Iterator[Manifest]:
    """The manifests of these generations. Raises IntegrityError for one that cannot be read."""
    for image, number in keys:
        manifest = manifests[image, number]
        if isinstance(manifest, IntegrityError):
            raise IntegrityError(
                f"it is not known what {image}@{number} needs, so nothing was deleted: {manifest}",
                hint=f"'haoscar-pxe image prune --drop {image}@{number}' gives it up; "
                "if it is the newest, capture once more before",
            ) from manifest
        yield manifest


def _check_store(chunks: ChunkReader) -> None:
    """Damage is planned for; a disk that does not read is no time to delete anything."""
    for error in chunks.index.left_out:
        if isinstance(error, StorageError):
            raise error


def _check_dropped(dropped: Collection[GenerationKey], verdicts: Sequence[Verdict]) -> None:
    found = {verdict.key: verdict for verdict in verdicts}
    for image, number in dropped:
        verdict = found.get((image, number))
        if verdict is None:
            raise RepositoryError(
                f"there is no {image}@{number} to be dropped",
                hint="'haoscar-pxe image list' shows what there is",
            )
        if verdict.is_kept:
            raise RepositoryError(
                f"{image}@{number} cannot be dropped: {verdict.reason}",
                hint=f"capture {image} again, or change the node that needs it",
            )
