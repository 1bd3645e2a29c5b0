"""Makes a second repository hold what a first one does: the same manifests, the same packs.

For each generation that is missing, the oldest first:

1. its manifest is fetched, and its signature checked;
2. packs that are missing are fetched, each hashed as a whole and chunk by chunk, and given their
   place durably: killed after that, the next run has them already;
3. its pages are looked through: every chunk that it names must be here;
4. the manifest is linked under its name, and the generation exists.

So a mirror shows whole generations only, whatever happens and whenever. What was pruned at the
origin stays here, until it is pruned here. A generation that is another one here is refused.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from haoscar_pxe.errors import IntegrityError, RepositoryError, StorageError
from haoscar_pxe.image.durable import storage_errors, sync_folder, write_durably
from haoscar_pxe.image.http_ranges import NotServedError
from haoscar_pxe.image.manifest import Manifest, open_manifest
from haoscar_pxe.image.origin import Origin
from haoscar_pxe.image.pack import MAX_PACK_BYTES
from haoscar_pxe.image.page_packs import PagePacks
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.repository import Repository, check_names
from haoscar_pxe.image.salvage import read_pack
from haoscar_pxe.image.signing import TrustedKeys
from haoscar_pxe.image.store import PackGoneError
from haoscar_pxe.image.writer import publish_manifest

log = logging.getLogger(__name__)

TRIES: Final = 3
"""A prune at the origin puts what is needed into other packs: then they are asked for anew."""


@dataclass(slots=True)
class MirrorReport:
    """What a run did.

    taken: (image, generation). was_there: generations that were here before. offered: the numbers
    of each image that was asked for, at the origin.
    """

    offered: dict[str, list[int]] = field(default_factory=dict)
    taken: list[tuple[str, int]] = field(default_factory=list)
    was_there: int = 0
    packs: int = 0
    fetched_bytes: int = 0


class Mirror:
    """A repository that becomes what an origin is. trusted: whose manifests are believed."""

    def __init__(
        self, origin: Origin, repository: Repository, trusted: TrustedKeys, progress: Progress
    ) -> None:
        self._origin = origin
        self._repository = repository
        self._trusted = trusted
        self._progress = progress
        self._page_packs = PagePacks(repository, trusted)
        self._report = MirrorReport()

    def run(self, images: Collection[str] = ()) -> MirrorReport:
        """Take all generations of these images, or of all.

        Raises RepositoryError (no such image there, another generation under the same number
        here), IntegrityError (what came is not what it should be), StorageError, BusyError.
        """
        offered = self._origin.generations()
        unknown = sorted(set(images) - set(offered))
        if unknown:
            raise RepositoryError(
                f"{self._origin} has no image {', '.join(unknown)}",
                hint=f"it has: {', '.join(offered) or 'none yet'}",
            )
        self._report.offered = {image: offered[image] for image in images or offered}
        for image in self._report.offered:
            with self._repository.receiving(image) as folder:
                self._take_image(image, offered[image], folder)
        return self._report

    def _take_image(self, image: str, numbers: list[int], folder: Path) -> None:
        known = set(self._repository.numbers(image))
        common = [number for number in numbers if number in known]
        self._report.was_there += len(common)
        if common:
            self._refuse_other(image, common[-1])
        for number in numbers:
            if number not in known:
                self._take(image, number, folder)

    def _refuse_other(self, image: str, number: int) -> None:
        """The newest generation that both have must be one: numbers alone say nothing."""
        path = self._repository.manifest_path(image, number)
        with storage_errors("read the manifest", path):
            own = path.read_bytes()
        if own != self._origin.manifest(image, number):
            raise RepositoryError(
                f"{image}@{number} here is another generation than at {self._origin}",
                hint="only one repository may be captured into; mirror into a repository that "
                "nothing was captured into",
            )

    def _take(self, image: str, number: int, folder: Path) -> None:
        sealed = self._origin.manifest(image, number)
        where = f"{image}@{number} of {self._origin}"
        manifest = open_manifest(sealed, self._trusted, where)
        check_names(manifest, image, number, where)
        for _ in range(TRIES):
            if self._fetch_missing(manifest, folder):
                break
        else:
            raise StorageError(
                f"packs of {where} went away while they were fetched, {TRIES} times",
                hint="is it being pruned? What came stays; run this again when that has ended",
            )
        self._page_packs.of(manifest)  # raises what is missing, by name
        publish_manifest(folder, self._repository.manifest_path(image, number), sealed)
        self._report.taken.append((image, number))
        log.info("took %s@%d", image, number)

    def _fetch_missing(self, manifest: Manifest, folder: Path) -> bool:
        """Fetch the packs that are not here; whether none of them had gone."""
        here = set(self._repository.store.pack_ids())
        try:
            for pack_id in self._origin.packs(manifest):
                if pack_id not in here:
                    self._fetch(pack_id, folder)
        except (PackGoneError, NotServedError) as error:
            log.info("a pack went away: %s", error)
            return False
        return True

    def _fetch(self, pack_id: str, folder: Path) -> None:
        """Fetch one pack, check every byte and every chunk of it, and give it its place."""
        size = self._origin.store.size(pack_id)
        if size > MAX_PACK_BYTES:
            raise IntegrityError(f"pack {pack_id[:12]} of {self._origin} has {size} bytes")
        fetched = _Fetched(pack_id, self._origin.store.read(pack_id, 0, size))
        found = read_pack(fetched, pack_id, size)
        if not found.is_whole:
            raise IntegrityError(
                f"pack {pack_id[:12]} of {self._origin}: {'; '.join(found.reasons)}",
                hint="'haoscar-pxe image verify --repair' there",
            )
        path = self._repository.store.pack_path(pack_id)
        own = folder / path.name
        with storage_errors("write the pack", path):
            write_durably(own, fetched.content)
            path.parent.mkdir(exist_ok=True)
            os.replace(own, path)
            sync_folder(path.parent)
            sync_folder(path.parent.parent)
        self._report.packs += 1
        self._report.fetched_bytes += size
        self._progress.advance(size)


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A store of one pack, in memory."""

    pack_id: str
    content: bytes

    def pack_ids(self) -> list[str]:
        return [self.pack_id]

    def size(self, pack_id: str) -> int:
        return len(self.content)

    def read(self, pack_id: str, offset_bytes: int, size_bytes: int) -> bytes:
        return self.content[offset_bytes : offset_bytes + size_bytes]
