"""Generations with secrets, made entry by entry."""

from __future__ import annotations

from haoscar_pxe.image.entry import Entry, Extent, HardLink, SealedFile
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.sealing import OpeningKey, OpeningKeys
from haoscar_pxe.image.writer import GenerationWriter
from tests.unit.image.generations import META, ROOT, a_file
from tests.unit.image.tree_reading import KEY, RECORD

OPENING = OpeningKey("primary", bytes(range(32)))
RING = OpeningKeys.of(OPENING)
CANARY = b"canary-5f1c0e7a2b94"


def a_secret(
    writer: GenerationWriter,
    path: bytes,
    data: bytes,
    *,
    key: OpeningKey = OPENING,
    hole_bytes: int = 0,
) -> SealedFile:
    """A sealed file of two boxes behind a hole."""
    half = len(data) // 2
    at, extents = hole_bytes, []
    for piece in (data[:half], data[half:]):
        box_id = writer.add_box(key.public.seal(piece))
        extents.append(Extent(at, len(piece), box_id))
        at += len(piece)
    return SealedFile(path, META, at, key.public.key_id, tuple(extents))


def store_secrets(
    repository: Repository, *, key: OpeningKey = OPENING, secret: bytes = CANARY
) -> Manifest:
    """A plain file, a sealed one and a second name of it, a sealed one with a hole."""
    with repository.writer("primary") as writer:
        entries: tuple[Entry, ...] = (
            ROOT,
            a_file(writer, b"plain", b"in the open"),
            a_secret(writer, b"shadow", secret, key=key),
            HardLink(b"shadow-", b"shadow"),
            a_secret(writer, b"sparse", secret * 9000, key=key, hole_bytes=1 << 20),
        )
        for entry in entries:
            writer.add_entry(entry)
        return writer.commit(RECORD, KEY)
