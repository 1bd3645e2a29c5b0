"""Where generations come from: another repository, behind HTTP or in a folder.

    GET {url}/images                              JSON: {"IMAGE": [numbers of its generations]}
    GET {url}/images/<image>/<n>.manifest         the signed manifest
    GET {url}/images/<image>/<n>.packs            JSON: the ids of the packs it needs
    GET {url}/images/<image>/<a>-<b>.delta        what b has and a lacks (`delta.py`), by ranges
    GET {url}/packs/<pack id>.pack                by ranges
    POST {url}/v1/mirrored                        JSON: {"image": …, "generation": …}

A source is believed in nothing: manifests are signed, everything else is hashed by who asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

from haoscar_pxe.errors import IntegrityError, StorageError
from haoscar_pxe.image.durable import storage_errors
from haoscar_pxe.image.http_ranges import NotServedError
from haoscar_pxe.image.http_store import HttpStore
from haoscar_pxe.image.manifest import MAX_MANIFEST_BYTES
from haoscar_pxe.image.repository import Repository, is_image_name
from haoscar_pxe.image.store import PackStore, is_pack_id

MAX_LIST_BYTES: Final = 64 << 20
MOST_GENERATION: Final = 10**9  # what the server's routes take

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

    def images(self) -> Mapping[str, Sequence[int]]:
        """The numbers of the generations of each image, ascending."""
        ...

    def manifest(self, image: str, generation: int) -> bytes:
        """The file of a manifest; nothing of it is checked."""
        ...

    def packs(self, image: str, generation: int) -> PackStore:
        """A store that lists the packs which the generation needs (or more of them)."""
        ...

    def delta(self, image: str, older: int, newer: int) -> Blob | None:
        """The delta of two generations, or None if there is none to be had."""
        ...

    def tell(self, image: str, generation: int) -> None:
        """Say that whoever asks holds this generation now."""
        ...


class FolderSource:
    """A repository in a folder of this machine. Deltas would save nothing here."""

    def __init__(self, path: Path) -> None:
        """Raises RepositoryError if there is none at path."""
        self._repository = Repository.open(path)

    def __str__(self) -> str:
        return str(self._repository.path)

    def images(self) -> Mapping[str, Sequence[int]]:
        """See Source."""
        found = self._repository.images()
        return {image: self._repository.generations(image) for image in found}

    def manifest(self, image: str, generation: int) -> bytes:
        """See Source."""
        path = self._repository.manifest_path(image, generation)
        with storage_errors("read the manifest", path), path.open("rb") as file:
            return file.read(MAX_MANIFEST_BYTES + 1)

    def packs(self, image: str, generation: int) -> PackStore:
        """See Source; all packs there are."""
        return self._repository.store

    def delta(self, image: str, older: int, newer: int) -> Blob | None:
        """See Source."""
        return None

    def tell(self, image: str, generation: int) -> None:
        """See Source; a folder does not care."""


class HttpSource:
    """A repository behind a server. Not for use by two threads at once."""

    def __init__(self, server: HttpStore) -> None:
        self._server = server

    def __str__(self) -> str:
        return str(self._server)

    def images(self) -> Mapping[str, Sequence[int]]:
        """See Source."""
        found = self._json("/images", "the list of images", dict[str, list[int]])
        for image, numbers in found.items():
            if not is_image_name(image) or numbers != sorted({*numbers}) or not numbers:
                raise IntegrityError(f"{self} lists {image[:80]!r}, which is no image")
            if not 1 <= numbers[0] <= numbers[-1] < MOST_GENERATION:
                raise IntegrityError(f"{self} lists impossible generations of image '{image}'")
        return found

    def manifest(self, image: str, generation: int) -> bytes:
        """See Source."""
        path = f"/images/{image}/{generation}.manifest"
        return self._server.whole(path, f"manifest {image}@{generation}", MAX_MANIFEST_BYTES)

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
            _, size = self._server.part(path, what, 0, 1)
        except NotServedError:
            return None
        return _Served(self._server, path, what, size)

    def tell(self, image: str, generation: int) -> None:
        """See Source."""
        body = msgspec.json.encode({"image": image, "generation": generation})
        self._server.post("/v1/mirrored", "what was mirrored", body)

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
