"""A tree goes into a generation: every visit becomes an entry, losses are written down.

Takes a root and its scope, gives entries and chunks to the sink, and says what the record needs.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from haoscar_pxe.capture.files.entries import EntryReader, KnownEntries
from haoscar_pxe.capture.files.reading import ChunkSink, Clock
from haoscar_pxe.capture.files.sealed_tree import SealedTree
from haoscar_pxe.capture.files.statuses import StatusLog
from haoscar_pxe.capture.files.walk import GONE, Losses, Visit, walk
from haoscar_pxe.capture.scope.scope import Scope
from haoscar_pxe.errors import CaptureError
from haoscar_pxe.image.entry import Directory, Entry, stored_bytes
from haoscar_pxe.image.progress import Progress

BLOCK_BYTES: Final = 4096
NAMED_MAX: Final = 10


class EntrySink(ChunkSink, Protocol):
    """Where entries go, in the order of `sort_key`: `image.writer.GenerationWriter`."""

    def add_entry(self, entry: Entry) -> None:
        """Add the next entry; its chunks were added before."""
        ...


@dataclass(frozen=True, slots=True)
class Captured:
    """What became of a tree.

    used_bytes: content in whole blocks, by the place it lies on. stored_bytes: content as it is.
    vanished: names that went away meanwhile. mounted_meanwhile: kept as empty folders.
    """

    entries: int
    stored_bytes: int
    used_bytes: Mapping[bytes, int]
    unstable: tuple[bytes, ...]
    vanished: tuple[bytes, ...]
    mounted_meanwhile: tuple[bytes, ...]


def capture_tree(
    root_fd: int,
    scope: Scope,
    places: frozenset[bytes],
    sink: EntrySink,
    progress: Progress,
    clock: Clock,
    known: KnownEntries | None = None,
    statuses: StatusLog | None = None,
    sealed: SealedTree | None = None,
) -> Captured:
    """Put the tree into the sink. places: folders (b"" among them) to count used bytes by.
    known: the generation before, whose unchanged files are not read. statuses: for the next one.
    sealed: None where nothing is a secret.

    Raises CaptureError naming every file and folder that could not be read: a clone without them
    is none. What merely vanished while it was captured is no error.
    """
    losses = Losses()
    reader = EntryReader(root_fd, sink, clock, known, sealed)
    used: Counter[bytes] = Counter()
    entries = total_bytes = 0
    for visit in walk(root_fd, scope, losses):
        try:
            entry = reader.read(visit)
        except GONE:
            losses.vanished.append(visit.path)
            continue
        except OSError as error:
            losses.unreadable.append((visit.path, error))
            continue
        sink.add_entry(entry)
        if statuses is not None:
            statuses.add(reader.status)
        entries += 1
        size_bytes = stored_bytes(entry)
        total_bytes += size_bytes
        used[_place(visit.path, places)] += _blocks_bytes(entry, size_bytes)
        progress.advance(size_bytes)
    _refuse_unreadable(losses)
    return Captured(
        entries=entries,
        stored_bytes=total_bytes,
        used_bytes=used,
        unstable=tuple(reader.unstable),
        vanished=tuple(losses.vanished),
        mounted_meanwhile=tuple(losses.mounted_meanwhile),
    )


def content_bytes(visits: Iterable[Visit]) -> int:
    """About how many bytes of content a capture of the visited tree will meet."""
    total = 0.0
    for visit in visits:
        status = visit.status
        if status is not None and not visit.is_folder:
            total += min(status.st_size, status.st_blocks * 512) / status.st_nlink
    return int(total)


def _place(path: bytes, places: frozenset[bytes]) -> bytes:
    if len(places) == 1:
        return b""
    while path not in places:
        path = path.rpartition(b"/")[0]
    return path


def _blocks_bytes(entry: Entry, size_bytes: int) -> int:
    if size_bytes:
        return -(-size_bytes // BLOCK_BYTES) * BLOCK_BYTES
    return BLOCK_BYTES if isinstance(entry, Directory) else 0


def _refuse_unreadable(losses: Losses) -> None:
    if not losses.unreadable:
        return
    count = len(losses.unreadable)
    named = "; ".join(
        f"/{os.fsdecode(path)}: {error.strerror}" for path, error in losses.unreadable[:NAMED_MAX]
    )
    more = f" (and {count - NAMED_MAX} more)" if count > NAMED_MAX else ""
    raise CaptureError(
        f"{count} files or folders could not be read, so nothing was stored: {named}{more}",
        hint="capture as root; exclude in the configuration what never belongs to a clone",
    )
