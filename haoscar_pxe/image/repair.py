"""Carries out the plan of a repair so that it may be killed at any moment and loses nothing more.

    REPO/damaged/<pack id>.pack                       a pack that left, as it was
    REPO/damaged/<image>-<generation>.manifest        a manifest that was replaced, as it was

The order, each step durable before the next:

1. good chunks of damaged packs, and what was found elsewhere, go into new packs in tmp/;
2. damaged packs get a second name in damaged/;
3. the new packs get their places, and are read back whole;
4. the damaged packs lose their first name: from here on the next capture stores what is lost anew;
5. manifests from elsewhere replace the broken ones, which have a second name in damaged/ by then.

Killed between any two of them, every good chunk is in the repository at least once, and the next
repair goes on. Nothing is ever deleted.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from blake3 import blake3

from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.durable import storage_errors, sync_folder, write_durably
from haoscar_pxe.image.pack import Kind
from haoscar_pxe.image.pack_writer import PackWriter
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.prune import own_folder, remove_packs
from haoscar_pxe.image.repair_plan import BrokenManifest, RepairPlan
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.salvage import ReadPack, read_pack, stored_chunk
from haoscar_pxe.image.store import FolderStore

DAMAGED: Final = "damaged"


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What a repair did. folder: where the damaged things lie now. put_off: packs left alone."""

    moved_packs: int
    kept_chunks: int
    found_chunks: int
    replaced_manifests: int
    folder: Path
    put_off: tuple[str, ...]


def repair(
    plan: RepairPlan, repository: Repository, in_use: Collection[str], progress: Progress
) -> RepairReport:
    """Do what the plan says, within `Repository.alone`, in which it was made.

    in_use: packs that nodes read now; they stay this time. Raises StorageError (a full or failing
    disk), IntegrityError (what was just written does not read back); nothing is lost by either.
    """
    folder = repository.path / DAMAGED
    with storage_errors("create", folder):
        folder.mkdir(exist_ok=True)
        sync_folder(repository.path)
    leaving = [pack for pack in plan.damaged if pack.pack_id not in in_use]
    chunks = _Chunks(plan, leaving, repository.store)
    _replace_packs(chunks, leaving, repository, folder, progress)
    replaced = [each for each in plan.manifests if each.replacement is not None]
    for each in replaced:
        _replace_manifest(each, repository, folder)
    return RepairReport(
        moved_packs=len(leaving),
        kept_chunks=len(chunks.kept),
        found_chunks=len(plan.found),
        replaced_manifests=len(replaced),
        folder=folder,
        put_off=tuple(pack.pack_id for pack in plan.damaged if pack.pack_id in in_use),
    )


class _Chunks:
    """Everything that goes into new packs. kept: out of damaged ones, and of which kind."""

    def __init__(self, plan: RepairPlan, leaving: list[ReadPack], store: FolderStore) -> None:
        self._plan = plan
        self._store = store
        self._places = {
            chunk_id: (pack.pack_id, at) for pack in leaving for chunk_id, at in pack.good.items()
        }
        said = {chunk_id: pack.kind for pack in leaving for chunk_id in pack.good}
        self.kept = {
            chunk_id: plan.kinds.get(chunk_id, kind or Kind.DATA) for chunk_id, kind in said.items()
        }

    @property
    def ids(self) -> set[bytes]:
        """Of all of them."""
        return {*self.kept, *(found.chunk_id for found in self._plan.found)}

    def of(self, kind: Kind) -> Iterator[tuple[bytes, bytes]]:
        """(id, bytes) of each chunk of that kind. Raises IntegrityError, StorageError."""
        for chunk_id, its_kind in self.kept.items():
            if its_kind is kind:
                yield (
                    chunk_id,
                    _hashed(chunk_id, stored_chunk(self._store, *self._places[chunk_id])),
                )
        for found in self._plan.found:
            if self._plan.kinds[found.chunk_id] is kind:
                data = found.place.chunk(found.chunk_id, found.stretches)
                yield found.chunk_id, _hashed(found.chunk_id, data or b"")


def _hashed(chunk_id: bytes, data: bytes) -> bytes:
    if blake3(data).digest() != chunk_id:
        raise IntegrityError(
            f"chunk {chunk_id.hex()[:12]} is no longer what it was a moment ago",
            hint="nothing was moved; if it happens again, the disk or its memory is failing",
        )
    return data


def _replace_packs(
    chunks: _Chunks,
    leaving: list[ReadPack],
    repository: Repository,
    folder: Path,
    progress: Progress,
) -> None:
    store = repository.store
    made: set[str] = set()
    with own_folder(repository) as own:
        writers = {kind: PackWriter(own, kind) for kind in Kind}
        try:
            for kind, writer in writers.items():
                for chunk_id, data in chunks.of(kind):
                    writer.add(chunk_id, data)
                    progress.advance(0)
                writer.close()
            with storage_errors("list", own):
                made = {path.stem for path in own.glob("*.pack")}
            # A new pack may have the very name of a damaged one, and takes its place then.
            for pack in leaving:
                _keep(store.pack_path(pack.pack_id), folder)
            for writer in writers.values():
                writer.publish(store)
        finally:
            for writer in writers.values():
                writer.abandon()
    _check(made, chunks, store)
    remove_packs(store, [pack.pack_id for pack in leaving if pack.pack_id not in made])


def _keep(path: Path, folder: Path) -> None:
    """Give a damaged file a second name in the folder, durably, if it has none there yet."""
    with storage_errors("keep", path):
        for name in _names(path):
            with suppress(FileExistsError):
                os.link(path, folder / name)
                break
            if (folder / name).samefile(path):
                break
        sync_folder(folder)


def _names(path: Path) -> Iterator[str]:
    """Names for it in damaged/, which may hold an earlier one of the same name."""
    prefix = "" if path.suffix == ".pack" else f"{path.parent.name}-"
    yield f"{prefix}{path.name}"
    yield from (f"{prefix}{path.name}.{number}" for number in count(2))


def _check(made: Collection[str], chunks: _Chunks, store: FolderStore) -> None:
    """Refuse to go on unless the new packs, read back whole, hold what was to be kept."""
    held: set[bytes] = set()
    for pack_id in made:
        pack = read_pack(store, pack_id, store.size(pack_id))
        held.update(pack.good if pack.is_whole else ())
    if lost := len(chunks.ids - held):
        raise IntegrityError(
            f"{lost} chunks do not read back from the packs just written; the damaged packs "
            "were left where they are",
            hint=f"look at the disk below {store.path}: it does not keep what is written",
        )


def _replace_manifest(each: BrokenManifest, repository: Repository, folder: Path) -> None:
    path = repository.manifest_path(each.image, each.generation)
    assert each.replacement is not None
    _keep(path, folder)
    with own_folder(repository) as own, storage_errors("replace", path):
        write_durably(own / path.name, each.replacement)
        os.replace(own / path.name, path)
        sync_folder(path.parent)
