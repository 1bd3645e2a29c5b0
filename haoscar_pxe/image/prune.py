"""Carries out the plan of a prune so that it may be killed at any moment.

The order, each step durable before the next:

1. the manifests of generations that go: from here on nothing names what they alone needed;
2. packs that no generation needs;
3. packs of which little is needed, a few at a time: what is needed goes into new packs, these are
   durable in their places, and only then the old ones go.

Killed between any two of them, what is left is a repository in which every generation is whole and
some packs hold more than is needed: the next prune goes on. While it works nobody can write
(`lock.py`); readers find a chunk in its new pack when its old one is gone (`ChunkReader.renew`).
Deleting needs no free space, so a full disk can be pruned.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.durable import storage_errors, sync_folder
from haoscar_pxe.image.pack import HEADER, TARGET_BYTES, Kind, decode_header
from haoscar_pxe.image.pack_use import PackUse
from haoscar_pxe.image.pack_writer import PackWriter
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.prune_plan import PrunePlan
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.store import FolderStore, read_index

log = logging.getLogger(__name__)

PacksInUse = Callable[[], Collection[str]]
"""Answers, each time it is asked, which packs must stay where they are: a node reads them now."""


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What a prune did. put_off: ids of packs that it left alone this time, and why."""

    deleted: int
    removed_packs: int
    rewritten_packs: int
    freed_bytes: int
    put_off: tuple[tuple[str, str], ...]


def prune(
    plan: PrunePlan,
    repository: Repository,
    chunks: ChunkReader,
    in_use: PacksInUse,
    progress: Progress,
) -> PruneReport:
    """Do what the plan says, within `Repository.alone`, in which it was made with these chunks.

    Raises StorageError (a full or failing disk); what was done until then is whole.
    """
    store = repository.store
    before_bytes = _packs_bytes(store)
    put_off: dict[str, str] = {}
    _delete_generations(plan, repository)
    removed = [use for use in plan.packs.removed if _may_go(use, chunks, put_off)]
    remove_packs(store, [*(use.pack_id for use in removed), *plan.packs.spoilt])
    rewritten = [use for use in plan.packs.rewritten if _may_go(use, chunks, put_off)]
    count = _rewrite(rewritten, repository, chunks, in_use, put_off, progress)
    return PruneReport(
        deleted=len(plan.deleted),
        removed_packs=len(removed) + len(plan.packs.spoilt),
        rewritten_packs=count,
        freed_bytes=before_bytes - _packs_bytes(store),
        put_off=tuple(put_off.items()),
    )


def _delete_generations(plan: PrunePlan, repository: Repository) -> None:
    for image, verdicts in groupby(plan.deleted, key=lambda verdict: verdict.image):
        for verdict in verdicts:
            path = repository.manifest_path(image, verdict.generation)
            with storage_errors("delete the manifest", path):
                path.unlink()
            log.info("deleted %s@%d: %s", image, verdict.generation, verdict.reason)
        with storage_errors("sync", path.parent):
            sync_folder(path.parent)


def _may_go(use: PackUse, chunks: ChunkReader, put_off: dict[str, str]) -> bool:
    """Whether no good copy is lost with it: what other packs hold of its chunks must be whole."""
    for chunk_id in use.other_chunks():
        if chunks.pack_of(chunk_id) == use.pack_id:
            continue
        try:
            chunks.chunk(chunk_id)
        except IntegrityError as error:
            put_off[use.pack_id] = f"another pack's copy of a chunk is damaged: {error}"
            return False
    return True


def remove_packs(store: FolderStore, pack_ids: Iterable[str]) -> None:
    """Remove packs, durably. Raises StorageError."""
    folders: set[Path] = set()
    for pack_id in pack_ids:
        path = store.pack_path(pack_id)
        with storage_errors("remove the pack", path):
            path.unlink()
        log.debug("removed pack %s", pack_id)
        folders.add(path.parent)
    for folder in sorted(folders):
        with storage_errors("sync", folder):
            sync_folder(folder)


def _rewrite(
    uses: list[PackUse],
    repository: Repository,
    chunks: ChunkReader,
    in_use: PacksInUse,
    put_off: dict[str, str],
    progress: Progress,
) -> int:
    """Write anew what is needed of these packs, then remove them; how many."""
    progress.expect(sum(use.needed_bytes for use in uses))
    count = 0
    for kind, batch in _batches(uses, repository.store, put_off):
        needed_elsewhere = in_use()
        free = [use for use in batch if use.pack_id not in needed_elsewhere]
        put_off |= {use.pack_id: "a node reads it now" for use in batch if use not in free}
        copied = [use for use in free if _is_whole(use, chunks, put_off)]
        if copied:
            _replace(kind, copied, repository, chunks, progress)
            count += len(copied)
    return count


def _batches(
    uses: list[PackUse], store: FolderStore, put_off: dict[str, str]
) -> Iterator[tuple[Kind, list[PackUse]]]:
    """Packs of one kind whose needed chunks fill about one new pack."""
    waiting: dict[Kind, list[PackUse]] = {kind: [] for kind in Kind}
    for use in uses:
        try:
            kind = decode_header(store.read(use.pack_id, 0, HEADER.size), use.pack_id)
        except IntegrityError as error:
            put_off[use.pack_id] = str(error)
            continue
        waiting[kind].append(use)
        if sum(each.needed_bytes for each in waiting[kind]) >= TARGET_BYTES:
            yield kind, waiting[kind]
            waiting[kind] = []
    yield from ((kind, batch) for kind, batch in waiting.items() if batch)


def _is_whole(use: PackUse, chunks: ChunkReader, put_off: dict[str, str]) -> bool:
    """Whether all that is needed of it can be read; a damaged pack is left for `verify` to name."""
    try:
        for chunk_id in use.needed_chunks():
            chunks.chunk(chunk_id)
    except IntegrityError as error:
        put_off[use.pack_id] = str(error)
        return False
    return True


def _replace(
    kind: Kind,
    uses: list[PackUse],
    repository: Repository,
    chunks: ChunkReader,
    progress: Progress,
) -> None:
    """Copy what is needed of these packs into new ones, and remove them once those are durable."""
    store = repository.store
    with own_folder(repository) as folder:
        writer = PackWriter(folder, kind)
        try:
            for use in uses:
                for chunk_id in use.needed_chunks():
                    writer.add(chunk_id, chunks.chunk(chunk_id))
                progress.advance(use.needed_bytes, 0)
            writer.close()
            with storage_errors("list", folder):
                made = [path.stem for path in folder.glob("*.pack")]
            writer.publish(store)
        finally:
            writer.abandon()
    _check_copied(uses, made, store)
    # A new pack may have exactly the bytes, and so the name, of one that it stands for.
    remove_packs(store, [use.pack_id for use in uses if use.pack_id not in made])


def _check_copied(uses: list[PackUse], made: list[str], store: FolderStore) -> None:
    """Refuse to go on unless the new packs, read back, hold every chunk that was to be copied."""
    held = {chunk_id for pack_id in made for chunk_id in read_index(store, pack_id).chunk_ids()}
    lost = sum(chunk_id not in held for use in uses for chunk_id in use.needed_chunks())
    if lost:
        raise IntegrityError(
            f"{lost} chunks are not in the packs just written; the old packs were kept",
            hint=f"'haoscar-pxe image verify' reads {store.path} back; is its disk failing?",
        )


@contextmanager
def own_folder(repository: Repository) -> Iterator[Path]:
    """A folder in tmp/; if we are killed the next writer or prune removes it."""
    tmp = repository.path / "tmp"
    with storage_errors("make a folder in", tmp):
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=tmp))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _packs_bytes(store: FolderStore) -> int:
    return sum(store.size(pack_id) for pack_id in store.pack_ids())
