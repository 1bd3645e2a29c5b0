"""Generations made entry by entry, where a real tree could not be what a test needs."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from haoscar_pxe.image.entry import Directory, Entry, Extent, File, Metadata
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import TrustedKeys
from haoscar_pxe.image.writer import GenerationWriter
from tests.unit.image.tree_reading import KEY, RECORD

META = Metadata(0o755, 0, 0, 5)
ROOT = Directory(b"", META)
TRUSTED = TrustedKeys.of(KEY.public)


def store_entries(
    repository: Repository,
    below: Iterable[Entry],
    *,
    chunks: Iterable[bytes] = (),
    image: str = "primary",
    created_ns: int = 0,
) -> Manifest:
    """Commit a generation of the root folder and these entries, after adding these chunks."""
    with repository.writer(image) as writer:
        for data in chunks:
            writer.add_chunk(data)
        for entry in (ROOT, *below):
            writer.add_entry(entry)
        return writer.commit(msgspec.structs.replace(RECORD, created_ns=created_ns), KEY)


def a_file(writer: GenerationWriter, path: bytes, data: bytes) -> File:
    """A file of one chunk, which is added."""
    return File(path, META, len(data), (Extent(0, len(data), writer.add_chunk(data)),))
