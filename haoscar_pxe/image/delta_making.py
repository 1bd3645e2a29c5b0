"""Writes the delta of two generations to a file; the same two always give the same bytes.

Pieces are read by one thread and compressed by several; what is under way is bounded.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Final

from blake3 import blake3

from haoscar_pxe.image.compressing import THREADS_MAX
from haoscar_pxe.image.compression import Encoding
from haoscar_pxe.image.delta import (
    DeltaTooLargeError,
    Index,
    Piece,
    compress,
    encode_head,
    table,
)
from haoscar_pxe.image.delta_planning import PlannedPiece, plan_delta
from haoscar_pxe.image.durable import storage_errors
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.reader import ChunkReader

UNDER_WAY: Final = 2
"""Pieces that wait for each thread: at most 76 MiB each, 12 as a rule."""


def make_delta(
    older: Manifest,
    newer: Manifest,
    chunks: ChunkReader,
    path: Path,
    most_bytes: int = sys.maxsize,
) -> int:
    """Make the delta at path, which appears when it is whole; its bytes.

    most_bytes: of its pieces. Sealed content is passed on as it lies in the packs, in boxes; a
    piece never refers to one. Raises DeltaTooLargeError, IntegrityError (damaged packs),
    StorageError.
    """
    with (
        storage_errors("write the delta", path),
        tempfile.TemporaryFile(dir=path.parent) as blobs,
        tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as whole,
    ):
        try:
            planned = plan_delta(older, newer, chunks)
            pieces = tuple(_within(most_bytes, _written(planned, chunks, blobs)))
            index = Index(bytes.fromhex(older.id), bytes.fromhex(newer.id), pieces)
            whole.write(encode_head(index))
            blobs.seek(0)
            shutil.copyfileobj(blobs, whole, 1 << 20)
            whole.flush()
            os.fchmod(whole.fileno(), 0o644)
            os.rename(whole.name, path)
        except BaseException:
            os.unlink(whole.name)
            raise
        return whole.tell()


def _within(most_bytes: int, pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The pieces, as long as they come to no more. Raises DeltaTooLargeError."""
    total = 0
    for piece in pieces:
        total += piece.stored_bytes
        if total > most_bytes:
            raise DeltaTooLargeError("content", total, most_bytes)
        yield piece


def _written(
    planned: Iterator[PlannedPiece], chunks: ChunkReader, blobs: IO[bytes]
) -> Iterator[Piece]:
    """Compress and write piece by piece, in their order."""
    threads = min(len(os.sched_getaffinity(0)), THREADS_MAX)
    under_way: deque[tuple[PlannedPiece, Future[tuple[Encoding, bytes]]]] = deque()
    with ThreadPoolExecutor(threads, "delta") as pool:
        for piece in planned:
            content = b"".join(chunks.chunk(each.chunk_id) for each in piece.chunks)
            reference = b"".join(chunks.chunk(each.chunk_id) for each in piece.references)
            under_way.append((piece, pool.submit(compress, content, reference)))
            if len(under_way) > threads * UNDER_WAY:
                yield _write(*under_way.popleft(), blobs)
        while under_way:
            yield _write(*under_way.popleft(), blobs)


def _write(
    planned: PlannedPiece, packed: Future[tuple[Encoding, bytes]], blobs: IO[bytes]
) -> Piece:
    encoding, blob = packed.result()
    blobs.write(blob)
    return Piece(
        encoding=encoding,
        stored_bytes=len(blob),
        digest=blake3(blob).digest(),
        chunks=table(planned.chunks),
        references=table(planned.references) if encoding is Encoding.ZSTD else b"",
    )
