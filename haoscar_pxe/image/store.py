"""Where packs lie: the small interface that a folder, an HTTP cache or a bucket can answer.

FolderStore:  FOLDER/packs/<first 2 hex digits>/<pack id>.pack
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from haoscar_pxe.errors import IntegrityError, RepositoryError, StorageError
from haoscar_pxe.image.durable import storage_errors
from haoscar_pxe.image.pack import (
    FOOTER,
    HEADER,
    MAX_PACK_BYTES,
    Kind,
    PackIndex,
    decode_header,
    decode_tail,
    index_size,
)

TAIL_BYTES: Final = 128 << 10
"""Read at once from a pack's end: its footer and, for most packs, its whole index."""

_PACK_ID = re.compile(r"[0-9a-f]{64}")


class StoreUnreachableError(StorageError):
    """The store as a whole does not answer, or not to us; no single pack is to blame."""


class PackGoneError(StorageError):
    """The pack is not there (any more): prune may have put what it held into another one."""


class PackStore(Protocol):
    """Packs by their id: 64 hexadecimal digits. All methods raise StorageError."""

    def pack_ids(self) -> list[str]:
        """Ids of all packs there are, ascending."""
        ...

    def size(self, pack_id: str) -> int:
        """Bytes of the pack's file."""
        ...

    def read(self, pack_id: str, offset_bytes: int, size_bytes: int) -> bytes:
        """Exactly size_bytes bytes from offset_bytes on."""
        ...


def is_pack_id(text: str) -> bool:
    """Whether text can be the name of a pack; anything else never becomes a path."""
    return _PACK_ID.fullmatch(text) is not None


def read_index(store: PackStore, pack_id: str) -> PackIndex:
    """Fetch and validate a pack's index, in one read for most. Raises IntegrityError too."""
    size = store.size(pack_id)
    if size > MAX_PACK_BYTES or size < FOOTER.size:
        raise IntegrityError(f"pack {pack_id[:12]} has {size} bytes, which no pack has")
    tail_bytes = min(size, TAIL_BYTES)
    tail = store.read(pack_id, size - tail_bytes, tail_bytes)
    wanted = index_size(tail[-FOOTER.size :], pack_id, size) + FOOTER.size
    if wanted > len(tail):
        tail = store.read(pack_id, size - wanted, wanted - len(tail)) + tail
    return decode_tail(tail[len(tail) - wanted :], pack_id, size)


def packs_of_kind(store: PackStore, kind: Kind) -> list[str]:
    """Ids of the packs that hold this kind of chunks, ascending, by their first bytes alone.

    A pack whose beginning is damaged is among them: its index may be whole. Raises StorageError.
    """
    return [pack_id for pack_id in store.pack_ids() if _may_be(store, pack_id, kind)]


def _may_be(store: PackStore, pack_id: str, kind: Kind) -> bool:
    try:
        return decode_header(store.read(pack_id, 0, HEADER.size), pack_id) is kind
    except StoreUnreachableError:
        raise
    except RepositoryError:
        return True


class FolderStore:
    """Packs in a folder of this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"FolderStore({str(self.path)!r})"

    def pack_path(self, pack_id: str) -> Path:
        """Where a pack lies, whether it is there or not. Raises StorageError for a strange id."""
        if not is_pack_id(pack_id):
            raise StorageError(f"{pack_id[:80]!r} is not the id of a pack")
        return self.path / pack_id[:2] / f"{pack_id}.pack"

    def pack_ids(self) -> list[str]:
        """Ids of all packs there are, ascending; files with other names are passed over."""
        with storage_errors("list the packs in", self.path):
            names = [
                file.stem
                for folder in self.path.iterdir()
                if folder.is_dir()
                for file in folder.iterdir()
                if file.suffix == ".pack"
            ]
        return sorted(filter(is_pack_id, names))

    def size(self, pack_id: str) -> int:
        """Bytes of the pack's file. Raises PackGoneError if it is not there."""
        path = self.pack_path(pack_id)
        with _reading(path):
            return path.stat().st_size

    def read(self, pack_id: str, offset_bytes: int, size_bytes: int) -> bytes:
        """Exactly size_bytes bytes from offset_bytes on. Raises PackGoneError as `size`."""
        path = self.pack_path(pack_id)
        with _reading(path), path.open("rb", buffering=0) as file:
            data = os.pread(file.fileno(), size_bytes, offset_bytes)
        if len(data) != size_bytes:
            raise StorageError(
                f"{path} ends after {len(data)} of {size_bytes} bytes from {offset_bytes}"
            )
        return data


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        with storage_errors("read the pack", path):
            yield
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise PackGoneError(str(error), hint="run 'haoscar-pxe image verify'") from error
        raise
