"""A repository that others mirror: in a folder of this machine, or behind `haoscar-pxe serve`.

    GET {url}/images                              JSON: {image: [generation, …]}
    GET {url}/images/<image>/<n>.manifest
    GET {url}/images/<image>/<n>.packs            JSON: the ids of the packs it needs
    GET {url}/packs/<pack id>.pack                by ranges

Nothing that it says is believed: who mirrors hashes all of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

import msgspec

from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.durable import storage_errors
from haoscar_pxe.image.http_store import HttpStore
from haoscar_pxe.image.manifest import MAX_MANIFEST_BYTES, Manifest
from haoscar_pxe.image.reader import ChunkReader, packs_of
from haoscar_pxe.image.repository import Repository, is_image_name
from haoscar_pxe.image.source import MAX_LIST_BYTES, HttpSource
from haoscar_pxe.image.store import PackStore

LARGEST_GENERATION: Final = 10**9


class Origin(Protocol):
    """What is mirrored. All methods raise StorageError; IntegrityError for nonsense."""

    @property
    def store(self) -> PackStore:
        """Where its packs are read."""
        ...

    def generations(self) -> dict[str, list[int]]:
        """The numbers of each image's generations, ascending."""
        ...

    def manifest(self, image: str, generation: int) -> bytes:
        """The bytes of a manifest."""
        ...

    def packs(self, manifest: Manifest) -> list[str]:
        """Ids of the packs that the generation needs, now."""
        ...


class FolderOrigin:
    """A repository in a folder of this machine, mounted or brought here."""

    def __init__(self, path: Path) -> None:
        """Raises RepositoryError if there is none at path."""
        self._repository = Repository.open(path)

    def __str__(self) -> str:
        return str(self._repository.path)

    @property
    def store(self) -> PackStore:
        """See Origin."""
        return self._repository.store

    def generations(self) -> dict[str, list[int]]:
        """See Origin."""
        found = self._repository
        return {image: found.generations(image) for image in found.images()}

    def manifest(self, image: str, generation: int) -> bytes:
        """See Origin."""
        path = self._repository.manifest_path(image, generation)
        with storage_errors("read the manifest", path), path.open("rb") as file:
            return file.read(MAX_MANIFEST_BYTES + 1)

    def packs(self, manifest: Manifest) -> list[str]:
        """See Origin; its pages are read for it."""
        return packs_of(manifest, ChunkReader(self._repository.store))


class HttpOrigin:
    """A repository behind a server, with the token of a mirror. Not for two threads at once."""

    def __init__(self, server: HttpStore) -> None:
        self._server = server
        self._source = HttpSource(server)

    def __str__(self) -> str:
        return str(self._server)

    @property
    def store(self) -> PackStore:
        """See Origin."""
        return self._server

    def generations(self) -> dict[str, list[int]]:
        """See Origin."""
        body = self._server.whole("/images", "the list of images", MAX_LIST_BYTES)
        try:
            found = msgspec.json.decode(body, type=dict[str, list[int]])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise IntegrityError(f"{self} sent nonsense for its images: {error}") from error
        numbers = [number for each in found.values() for number in each]
        is_good = all(map(is_image_name, found)) and all(
            1 <= number < LARGEST_GENERATION for number in numbers
        )
        if not is_good:
            raise IntegrityError(f"{self} lists what can be no image or generation")
        return {image: sorted(set(each)) for image, each in sorted(found.items())}

    def manifest(self, image: str, generation: int) -> bytes:
        """See Origin."""
        path = f"/images/{image}/{generation}.manifest"
        return self._server.whole(path, f"{image}@{generation}", MAX_MANIFEST_BYTES)

    def packs(self, manifest: Manifest) -> list[str]:
        """See Origin."""
        return self._source.packs(manifest.image, manifest.generation).pack_ids()
