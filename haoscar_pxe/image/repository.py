"""The repository: packs, signed manifests, and the one rename that makes a generation exist.

    REPO/format                               "haoscar-pxe repository 1\\n"
    REPO/packs/<2 hex>/<pack id>.pack         immutable, named by content
    REPO/images/<image>/<generation>.manifest 1, 2, 3 …; never replaced
    REPO/tmp/<writer>/                        half-written things; invisible, collected
    REPO/locks/                               flock files, no content that matters

docs/repository.md describes the format. Writing is `writer.py`, reading back `reader.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Final

from haoscar_pxe.errors import IntegrityError, RepositoryError
from haoscar_pxe.image.chunk_index import ChunkIndex
from haoscar_pxe.image.durable import storage_errors, sync_folder, write_durably
from haoscar_pxe.image.lock import no_writers, writer_folder, writer_lock
from haoscar_pxe.image.manifest import MAX_MANIFEST_BYTES, Manifest, open_manifest
from haoscar_pxe.image.signing import TrustedKeys
from haoscar_pxe.image.store import FolderStore
from haoscar_pxe.image.writer import GenerationWriter

FORMAT_LINE: Final = b"haoscar-pxe repository 1\n"
FOLDERS: Final = ("packs", "images", "tmp", "locks")

_IMAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MANIFEST_NAME = re.compile(r"([1-9][0-9]{0,17})\.manifest")


class Repository:
    """A repository in a folder of this machine."""

    def __init__(self, path: Path) -> None:
        """Of an existing repository; use `create` or `open`."""
        self.path = path

    @classmethod
    def create(cls, path: Path) -> Repository:
        """Make a repository in a folder that is empty, missing, or already a repository.

        Files beside it that do not look like a repository's (a README) are left alone.
        Raises RepositoryError when `format` there is another's, StorageError when it cannot write.
        """
        with storage_errors("create the repository", path):
            path.mkdir(parents=True, exist_ok=True)
            for name in FOLDERS:
                (path / name).mkdir(exist_ok=True)
            if not (path / "format").exists():
                write_durably(path / "format", FORMAT_LINE)
                sync_folder(path)
                sync_folder(path.parent)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Repository:
        """The repository at path. Raises RepositoryError if there is none."""
        try:
            found = (path / "format").read_bytes()
        except OSError as error:
            raise RepositoryError(
                f"{path} is not a repository: {error.strerror}",
                hint="'haoscar-pxe init' makes one, or give another with --repository",
            ) from error
        if found != FORMAT_LINE:
            raise RepositoryError(
                f"{path} has the format {found[:60]!r}; this version reads {FORMAT_LINE!r}",
                hint="install the haoscar-pxe that wrote it",
            )
        return cls(path)

    @property
    def store(self) -> FolderStore:
        """Its packs."""
        return FolderStore(self.path / "packs")

    def images(self) -> list[str]:
        """Names of the images that have at least one generation, ascending."""
        with storage_errors("list the images of", self.path):
            folders = [folder.name for folder in (self.path / "images").iterdir()]
        return sorted(name for name in folders if is_image_name(name) and self.numbers(name))

    def generations(self, image: str) -> list[int]:
        """Generation numbers, ascending. Raises RepositoryError for an unknown image."""
        check_image_name(image)
        numbers = self.numbers(image)
        if not numbers:
            known = ", ".join(self.images()) or "none yet"
            raise RepositoryError(
                f"{self.path} has no image '{image}' (it has: {known})",
                hint=f"'haoscar-pxe capture {image}' makes it",
            )
        return numbers

    def manifest_path(self, image: str, generation: int) -> Path:
        """Where the generation's manifest lies, whether it exists or not."""
        check_image_name(image)
        return self.path / "images" / image / f"{generation}.manifest"

    def manifest(self, image: str, generation: int | None, trusted: TrustedKeys) -> Manifest:
        """The verified manifest of a generation; None means the newest.

        Raises RepositoryError (unknown), IntegrityError (damaged, not signed by a trusted key, or
        another generation's under this name), StorageError.
        """
        known = self.generations(image)
        number = known[-1] if generation is None else generation
        if number not in known:
            raise RepositoryError(
                f"image '{image}' has no generation {number} (it has {_ranges(known)})",
                hint="'haoscar-pxe image list' shows what there is",
            )
        return self._read(image, number, trusted)

    @contextmanager
    def writer(self, image: str) -> Iterator[GenerationWriter]:
        """A writer for the image's next generation; what it did not commit vanishes at the end.

        Raises BusyError at once if the image is being written by somebody else.
        """
        with self.receiving(image) as own:
            folder = self.path / "images" / image
            writer = GenerationWriter(
                image, self.numbers(image), folder, own, self.store, self._known_chunks()
            )
            try:
                yield writer
            finally:
                writer.abandon()

    @contextmanager
    def receiving(self, image: str) -> Iterator[Path]:
        """A folder for new things of the image, which nobody else writes meanwhile, or prunes.

        It is gone at the end. Raises BusyError at once if somebody else writes the image.
        """
        check_image_name(image)
        folder = self.path / "images" / image
        locks = self.path / "locks"
        with (
            writer_lock(locks / f"{image}.lock", image),
            writer_folder(self.path / "tmp", locks / "tmp") as own,
        ):
            with storage_errors("create", folder):
                folder.mkdir(exist_ok=True)
                sync_folder(folder.parent)
            yield own

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold off all writers of all images; what killed ones left in tmp/ is removed.

        Raises BusyError at once if somebody writes.
        """
        with no_writers(self.path / "tmp", self.path / "locks" / "tmp"):
            yield

    def _known_chunks(self) -> ChunkIndex:
        return ChunkIndex.of(self.store, self.store.pack_ids())

    def numbers(self, image: str) -> list[int]:
        """Generation numbers, ascending; none for an unknown image."""
        folder = self.path / "images" / image
        with storage_errors("list", folder):
            try:
                names = [file.name for file in folder.iterdir()]
            except (FileNotFoundError, NotADirectoryError):
                return []
        matches = (_MANIFEST_NAME.fullmatch(name) for name in names)
        return sorted(int(match[1]) for match in matches if match)

    def _read(self, image: str, number: int, trusted: TrustedKeys) -> Manifest:
        path = self.manifest_path(image, number)
        with storage_errors("read the manifest", path), path.open("rb") as file:
            sealed = file.read(MAX_MANIFEST_BYTES + 1)
        manifest = open_manifest(sealed, trusted, str(path))
        check_names(manifest, image, number, str(path))
        return manifest


def _ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers in words, for there are gaps after a prune.

    >>> _ranges([1, 4, 5, 6, 9])
    '1, 4 to 6, 9'
    """
    starts = [n for before, n in pairwise((-1, *numbers)) if n != before + 1]
    ends = [n for n, after in pairwise((*numbers, -1)) if after != n + 1]
    spans = zip(starts, ends, strict=True)
    return ", ".join(f"{a} to {b}" if a != b else f"{a}" for a, b in spans)


def check_names(manifest: Manifest, image: str, generation: int, where: str) -> None:
    """Refuse a genuine manifest that lies under another one's name. Raises IntegrityError."""
    if (manifest.image, manifest.generation) != (image, generation):
        raise IntegrityError(
            f"{where} is the manifest of {manifest.image!r} generation {manifest.generation}"
        )


def is_image_name(name: str) -> bool:
    """Whether name can be an image's: letters, digits, "._-", at most 64, no leading dot."""
    return _IMAGE_NAME.fullmatch(name) is not None


def check_image_name(name: str) -> None:
    """Raise RepositoryError unless name can be an image's."""
    if not is_image_name(name):
        raise RepositoryError(
            f"{name!r} cannot be the name of an image",
            hint="use letters, digits, dots, dashes and underscores, at most 64",
        )
