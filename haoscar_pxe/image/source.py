"""Where generations come from: another repository, behind HTTP or in a folder.

    GET {url}/images/<image>/<n>.packs            JSON: the ids of the packs it needs
    GET {url}/images/<image>/<a>-<b>.delta        what b has and a lacks (`delta.py`), by ranges
    GET {url}/packs/<pack id>.pack                by ranges

A source is believed in nothing: all of it is hashed by who asks. A source that has no delta for
somebody, or has none ready within DELTA_PATIENCE_S, is asked for packs.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

from haoscar_pxe.errors import IntegrityError, StorageError
from haoscar_pxe.image.http_ranges import NotServedError
from haoscar_pxe.image.http_store import HttpStore
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.store import PackStore, StoreUnreachableError, is_pack_id

log = logging.getLogger(__name__)

MAX_LIST_BYTES: Final = 64 << 20
DELTA_PATIENCE_S: Final = 60.0
"""A server makes the delta when it is first asked for: about 100 MB of new content a second."""

T = TypeVar("T")


class Blob(Protocol):
    """One file of a source that is read by ranges."""

    @property
    def size_bytes(self) -> int:
        """Of the whole."""
        ...

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Exactly these bytes, 1 or more. Raises StorageError."""
        ...


class Source(Protocol):
    """Another repository. All methods raise StorageError; IntegrityError for nonsense."""

    def packs(self, image: str, generation: int) -> PackStore:
        """A store that lists the packs which the generation needs (or more of them)."""
        ...

    def delta(self, image: str, older: int, newer: int) -> Blob | None:
        """The delta of two generations, or None if there is none to be had."""
        ...


class FolderSource:
    """A repository in a folder of this machine. Deltas would save nothing here."""

    def __init__(self, path: Path) -> None:
        """Raises RepositoryError if there is none at path."""
        self._repository = Repository.open(path)

    def __str__(self) -> str:
        return str(self._repository.path)

    def packs(self, image: str, generation: int) -> PackStore:
        """See Source; all packs there are."""
        return self._repository.store

    def delta(self, image: str, older: int, newer: int) -> Blob | None:
        """See Source."""
        return None


class HttpSource:
    """A repository behind a server. Not for use by two threads at once."""

    def __init__(self, server: HttpStore) -> None:
        self._server = server

    def __str__(self) -> str:
        return str(self._server)

    def packs(self, image: str, generation: int) -> PackStore:
        """See Source."""
        path = f"/images/{image}/{generation}.packs"
        found = self._json(path, f"the packs of {image}@{generation}", list[str])
        if not all(map(is_pack_id, found)):
            raise IntegrityError(f"{self} lists what is no pack for {image}@{generation}")
        self._server.know(found)
        return self._server

    def delta(self, image: str, older: int, newer: int) -> Blob | None:
        """See Source."""
        path = f"/images/{image}/{older}-{newer}.delta"
        what = f"the delta of {image} from {older} to {newer}"
        try:
            _, size = self._server.part(path, what, 0, 1, patience_s=DELTA_PATIENCE_S)
        except (NotServedError, StoreUnreachableError) as error:
            log.info("without a delta: %s", error)
            return None  # a server that is gone, or refuses us, says so again for the packs
        return _Served(self._server, path, what, size)

    def _json(self, path: str, what: str, kind: type[T]) -> T:
        body = self._server.whole(path, what, MAX_LIST_BYTES)
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise IntegrityError(f"{self} sent nonsense for {what}: {error}") from error


@dataclass(frozen=True, slots=True)
class _Served:
    """A Blob at a server."""

    server: HttpStore
    path: str
    what: str
    size_bytes: int

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        data, total = self.server.part(self.path, self.what, offset_bytes, size_bytes)
        if total != self.size_bytes:
            raise StorageError(f"{self.what} has {total} bytes now, not {self.size_bytes}")
        return data
