"""Fills packs of one kind in a writer's own folder, and makes them part of the repository.

Nothing is visible before `publish`; until then the packs are complete, synced files in tmp/.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from blake3 import blake3

from haoscar_pxe.image.compression import Compressor, Encoding
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


class PackWriter:
    """Appends chunks; begins a new pack whenever one is full. packed_bytes: of complete packs."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        self._folder = folder
        self._kind = kind
        self._compressor = Compressor()
        self._open: _OpenPack | None = None
        self._complete: list[str] = []
        self.packed_bytes = 0

    def add(self, chunk_id: bytes, data: bytes | memoryview) -> None:
        """Append a chunk that no pack has yet. Raises StorageError."""
        encoding, stored = self._compressor.store(data)
        if self._open is None:
            self._open = _OpenPack(self._folder / f"{self._kind.name.lower()}.pack", self._kind)
        self._open.append(chunk_id, stored, len(data), encoding)
        if self._open.is_full:
            self._finish(self._open)

    def close(self) -> None:
        """Finish the last pack. Raises StorageError."""
        if self._open is not None:
            self._finish(self._open)

    def abandon(self) -> None:
        """Let go of the file that is open; the folder is its owner's to remove."""
        if self._open is not None:
            with suppress(OSError):  # what it still buffers is not wanted, a full disk expected
                self._open.file.close()

    def publish(self, store: FolderStore) -> None:
        """Give all complete packs their place in the store, durably. Raises StorageError."""
        folders = set()
        for pack_id in self._complete:
            path = store.pack_path(pack_id)
            with storage_errors("publish the pack", path):
                path.parent.mkdir(exist_ok=True)
                os.replace(self._folder / f"{pack_id}.pack", path)
            folders.add(path.parent)
        with storage_errors("sync", store.path):
            for folder in (*sorted(folders), store.path):
                sync_folder(folder)

    def _finish(self, pack: _OpenPack) -> None:
        self._open = None
        pack_id = pack.finish()
        with storage_errors("write the pack", pack.path):
            self.packed_bytes += pack.path.stat().st_size
            pack.path.rename(self._folder / f"{pack_id}.pack")
        self._complete.append(pack_id)


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
        return self._end - HEADER.size >= TARGET_BYTES or len(self._rows) >= MAX_ROWS

    def append(self, chunk_id: bytes, stored: bytes, raw_bytes: int, encoding: Encoding) -> None:
        self._rows[chunk_id] = Location(self._end, len(stored), raw_bytes, encoding)
        self._write(stored)

    def finish(self) -> str:
        """Write the index, sync, close; the pack's id."""
        self._write(encode_tail(self._rows, self._end))
        with storage_errors("write the pack", self.path), self.file:
            self.file.flush()
            os.fsync(self.file.fileno())
        return self._hash.hexdigest()

    def _write(self, data: bytes) -> None:
        with storage_errors("write the pack", self.path):
            self.file.write(data)
        self._hash.update(data)
        self._end += len(data)
