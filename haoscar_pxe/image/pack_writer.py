"""Fills packs of one kind in a writer's own folder, and makes them part of the repository.

Nothing is visible before `publish`; until then the packs are complete, synced files in tmp/.
After `close` and `publish` more may be added: that makes new packs.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from blake3 import blake3

from haoscar_pxe.image.compressing import (
    BATCH_BYTES,
    BATCH_CHUNKS,
    Compressed,
    Compressing,
)
from haoscar_pxe.image.compression import Encoding
from haoscar_pxe.image.durable import storage_errors, sync_folder
from haoscar_pxe.image.pack import (
    HEADER,
    MAX_ROWS,
    TARGET_BYTES,
    Kind,
    Location,
    encode_header,
    encode_tail,
)
from haoscar_pxe.image.store import FolderStore

BUFFER_BYTES: Final = 1 << 20
BATCHES_WAITING: Final = 8
SYNCS_WAITING: Final = 2
"""So many packs may be written and not durable yet: what a full disk is noticed late by."""


class PackWriter:
    """Appends chunks; begins a new pack whenever one is full. packed_bytes: of complete packs.

    Compressing, writing and syncing go on beside the caller, so an error may come up with a later
    chunk, or with `close`; the packs are worth nothing then. An fsync is never tried again.
    """

    def __init__(self, folder: Path, kind: Kind, threads: int = 0) -> None:
        """threads: how many may compress beside the caller's own."""
        self._folder = folder
        self._kind = kind
        self._compressing = Compressing(threads)
        self._ready: list[Compressed] = []
        self._ready_bytes = 0
        self._packing = ThreadPoolExecutor(1, "pack") if threads else None
        self._packed: deque[Future[None]] = deque()
        self._syncing = ThreadPoolExecutor(1, "sync")
        self._synced: list[tuple[_OpenPack, Future[None]]] = []
        self._open: _OpenPack | None = None
        self._complete: list[str] = []
        self.packed_bytes = 0

    def add(self, chunk_id: bytes, data: bytes | memoryview) -> None:
        """Append a chunk that no pack has yet. Raises StorageError."""
        if self._kind is Kind.SEALED:
            self._pack([Compressed(chunk_id, Encoding.RAW, bytes(data), len(data))])
            return
        for batch in self._compressing.put(chunk_id, bytes(data)):
            self._pack(batch)

    def add_compressed(self, chunk: Compressed) -> None:
        """Append a chunk that no pack has yet, as it is. Raises StorageError.

        That it can be restored to the content of its id is for the caller to have seen.
        """
        self._ready.append(chunk)
        self._ready_bytes += len(chunk.stored)
        if self._ready_bytes >= BATCH_BYTES or len(self._ready) >= BATCH_CHUNKS:
            self._pack_ready()

    def close(self) -> None:
        """Finish the last pack, and wait until all of them are durable. Raises StorageError."""
        if self._ready:
            self._pack_ready()
        for batch in self._compressing.rest():
            self._pack(batch)
        self._wait_for_packing(0)
        if self._open is not None:
            self._finish(self._open)
        self._wait_for_syncs(0)

    def abandon(self) -> None:
        """Let go of the files that are open; the folder is its owner's to remove."""
        self._compressing.stop()
        if self._packing is not None:
            self._packing.shutdown(cancel_futures=True)
        self._syncing.shutdown(cancel_futures=True)
        unfinished = [pack for pack, _ in self._synced]
        if self._open is not None:
            unfinished.append(self._open)
        for pack in unfinished:
            with suppress(OSError):  # what it still buffers is not wanted, a full disk expected
                pack.file.close()

    def publish(self, store: FolderStore) -> None:
        """Give the packs their place in the store, durably; `close` comes first.

        Raises StorageError.
        """
        folders = set()
        for pack_id in self._complete:
            path = store.pack_path(pack_id)
            with storage_errors("publish the pack", path):
                path.parent.mkdir(exist_ok=True)
                os.replace(self._folder / f"{pack_id}.pack", path)
            folders.add(path.parent)
        self._complete = []
        with storage_errors("sync", store.path):
            for folder in (*sorted(folders), store.path):
                sync_folder(folder)

    def _pack_ready(self) -> None:
        batch, self._ready, self._ready_bytes = self._ready, [], 0
        self._pack(batch)

    def _pack(self, batch: list[Compressed]) -> None:
        """Have the batch appended, here or by the thread that does nothing else."""
        if self._packing is None:
            self._append(batch)
            return
        self._packed.append(self._packing.submit(self._append, batch))
        self._wait_for_packing(BATCHES_WAITING)

    def _wait_for_packing(self, left: int) -> None:
        """Wait until at most so many batches are to be appended. Raises what one of them did."""
        while len(self._packed) > left:
            self._packed.popleft().result()

    def _append(self, batch: list[Compressed]) -> None:
        if self._open is None:
            name = f"{self._kind.name.lower()}-{len(self._complete)}.pack"
            self._open = _OpenPack(self._folder / name, self._kind)
        self._open.append(batch)
        if self._open.is_full:
            self._finish(self._open)

    def _finish(self, pack: _OpenPack) -> None:
        self._open = None
        pack_id = pack.finish()
        self.packed_bytes += pack.size_bytes
        self._complete.append(pack_id)
        complete = self._folder / f"{pack_id}.pack"
        self._synced.append((pack, self._syncing.submit(pack.sync_as, complete)))
        self._wait_for_syncs(SYNCS_WAITING)

    def _wait_for_syncs(self, left: int) -> None:
        """Wait until at most so many syncs are under way. Raises what one of them did."""
        while len(self._synced) > left:
            self._synced.pop(0)[1].result()


class _OpenPack:
    """A pack being written: its file, its hash so far, its rows."""

    def __init__(self, path: Path, kind: Kind) -> None:
        self.path = path
        with storage_errors("create", path):
            self.file: BinaryIO = path.open("xb", buffering=BUFFER_BYTES)
        self._hash = blake3()
        self._rows: dict[bytes, Location] = {}
        self._end = 0
        self._write(encode_header(kind))

    @property
    def is_full(self) -> bool:
        has_rows = len(self._rows) > MAX_ROWS - BATCH_CHUNKS
        return has_rows or self._end - HEADER.size >= TARGET_BYTES

    def append(self, batch: list[Compressed]) -> None:
        """Write the chunks as one piece: written and hashed one by one they cost twice as much."""
        at = self._end
        for chunk in batch:
            size_bytes = len(chunk.stored)
            self._rows[chunk.chunk_id] = Location(at, size_bytes, chunk.raw_bytes, chunk.encoding)
            at += size_bytes
        self._write(b"".join([chunk.stored for chunk in batch]))

    @property
    def size_bytes(self) -> int:
        """What was written so far."""
        return self._end

    def finish(self) -> str:
        """Write the index; the pack's id."""
        self._write(encode_tail(self._rows, self._end))
        return self._hash.hexdigest()

    def sync_as(self, path: Path) -> None:
        """Make the finished pack durable, close it, and give it its name."""
        with storage_errors("write the pack", self.path), self.file:
            self.file.flush()
            os.fsync(self.file.fileno())
            os.rename(self.path, path)

    def _write(self, data: bytes) -> None:
        with storage_errors("write the pack", self.path):
            self.file.write(data)
        self._hash.update(data)
        self._end += len(data)
