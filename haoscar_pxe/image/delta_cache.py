"""Deltas that were made, kept as files and bounded in number and bytes.

    FOLDER/<id of the older manifest>-<id of the newer one>.delta     whole
    FOLDER/tmp…                                                       half made
    FOLDER/.lock                                                      flock(2) of who makes them

The ids are those of the manifests' bytes, so a generation that is made anew under an old number
never meets the delta of the other. Nothing is synced: a file is looked through when it is given
out for the first time after a start, and what a power cut cut short is made again.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from blake3 import blake3

from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.delta import HEADER, Index, decode_index, index_size, rows
from haoscar_pxe.image.delta_making import make_delta
from haoscar_pxe.image.durable import storage_errors
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.reader import ChunkReader

log = logging.getLogger(__name__)

SUFFIX: Final = ".delta"
LOCK: Final = ".lock"
MOST_BYTES: Final = 4 << 30
MOST_FILES: Final = 64
FREE_PART: Final = 4
"""A delta takes at most this part of the free space: the folder's file system is not only its."""


class NoSavingError(IntegrityError):
    """The packs' own chunks are no larger than the delta would be."""

    def __init__(self, delta_bytes: int, packs_bytes: int) -> None:
        super().__init__(
            f"a delta of {delta_bytes} bytes saves nothing: what is new has {packs_bytes} in packs"
        )


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the files may come to together."""

    most_bytes: int = MOST_BYTES
    most_files: int = MOST_FILES


class DeltaCache:
    """The folder; safe to use from several threads, and beside another process that uses it.

    Made to be `open`ed once by who makes deltas, and closed.
    """

    def __init__(self, folder: Path, bounds: Bounds | None = None) -> None:
        """Touches nothing yet."""
        self._folder = folder
        self._bounds = bounds or Bounds()
        self._checked: set[str] = set()
        self._lock = threading.Lock()
        self._alive: IO[str] | None = None

    def open(self) -> None:
        """Make the folder, and remove what a dead server left half made. Raises StorageError."""
        with storage_errors("keep deltas in", self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._alive = (self._folder / LOCK).open("w")
            _remove_leftovers(self._folder, self._alive)

    def find(self, older_id: str, newer_id: str) -> Path | None:
        """The delta of the manifests with these ids, if it is here and whole. StorageError."""
        path = self._path(older_id, newer_id)
        with self._lock, storage_errors("read the delta", path):
            if not path.is_file():
                return None
            if path.name not in self._checked:
                if not _is_whole(path):
                    path.unlink(missing_ok=True)
                    return None
                self._checked.add(path.name)
            # By hand: most file systems are mounted so that reading sets no time. mtime stays, it
            # is what the HTTP server makes the ETag from.
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
            return path

    def make(self, older: Manifest, newer: Manifest, chunks: ChunkReader) -> Path:
        """Make the delta, which takes seconds, and keep it; others may have to go for it.

        chunks: of both generations, without opening keys. Raises NoSavingError, DeltaTooLargeError,
        IntegrityError (damaged packs), StorageError.
        """
        path = self._path(older.id, newer.id)
        began_s = time.monotonic()
        size = make_delta(older, newer, chunks, path, self._budget())
        packs_bytes = _packs_bytes(path, chunks)
        if size >= packs_bytes:
            path.unlink(missing_ok=True)
            raise NoSavingError(size, packs_bytes)
        log.info(
            "delta of %s from %d to %d: %d bytes instead of %d, made in %.2f s",
            *(newer.image, older.generation, newer.generation),
            *(size, packs_bytes, time.monotonic() - began_s),
        )
        with self._lock, storage_errors("keep deltas in", self._folder):
            self._checked.add(path.name)
            self._make_room(path)
        return path

    def close(self) -> None:
        """Let another process remove what is half made here."""
        if self._alive is not None:
            self._alive.close()

    def _path(self, older_id: str, newer_id: str) -> Path:
        return self._folder / f"{older_id}-{newer_id}{SUFFIX}"

    def _budget(self) -> int:
        with storage_errors("keep deltas in", self._folder):
            free = os.statvfs(self._folder)
        return min(self._bounds.most_bytes, free.f_bavail * free.f_frsize // FREE_PART)

    def _make_room(self, new: Path) -> None:
        """Remove what was not asked for longest. Who is being sent it keeps its open file."""
        used = {path: path.stat() for path in self._folder.glob(f"*{SUFFIX}") if path != new}
        left_bytes = self._bounds.most_bytes - new.stat().st_size
        left_files = self._bounds.most_files - 1
        for path, found in sorted(used.items(), key=lambda each: -each[1].st_atime_ns):
            left_bytes -= found.st_size
            left_files -= 1
            if left_bytes < 0 or left_files < 0:
                path.unlink(missing_ok=True)
                self._checked.discard(path.name)


def _remove_leftovers(folder: Path, alive: IO[str]) -> None:
    """Unless somebody lives who may be making one; from here on somebody does."""
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    for path in folder.iterdir():
        if path.suffix != SUFFIX and path.name != LOCK:
            path.unlink()


def _read_index(path: Path, file: IO[bytes]) -> Index:
    header = file.read(HEADER.size)
    body = file.read(index_size(header, str(path)))
    return decode_index(header, body, os.fstat(file.fileno()).st_size, str(path))


def _is_whole(path: Path) -> bool:
    """Whether every byte is what the delta's own digests say."""
    with path.open("rb") as file:
        try:
            index = _read_index(path, file)
        except IntegrityError as error:
            log.warning("removed: %s", error)
            return False
        for piece in index.pieces:
            if blake3(file.read(piece.stored_bytes)).digest() != piece.digest:
                log.warning("removed: a piece of %s is damaged", path)
                return False
    return True


def _packs_bytes(path: Path, chunks: ChunkReader) -> int:
    """What the delta's chunks have as they lie in packs."""
    with storage_errors("read the delta", path), path.open("rb") as file:
        index = _read_index(path, file)
    found = (
        chunks.index.find(row.chunk_id) for piece in index.pieces for row in rows(piece.chunks)
    )
    return sum(each.location.stored_bytes for each in found if each)
