"""The journal: all that turns a staged tree into the new generation, in one file.

    <boot folder>/journal    magic "HXSYNC\\r\\n" (8) | BLAKE3 of the payload (32) | payload

The payload is canonical MessagePack. The file is made durable under another name and renamed: that
rename is the commit. As long as it stands there GRUB boots the finisher, and every step in it can
be done again, in its order, whether it was done before or not.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, TypeAlias, cast

from blake3 import blake3
from msgspec import Struct

from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.canonical import Canonical, encode
from haoscar_pxe.image.durable import storage_errors, sync_folder, write_durably
from haoscar_pxe.image.entry import Metadata

MAGIC: Final = b"HXSYNC\r\n"
HASH_BYTES: Final = 32
NAME: Final = "journal"
HALF_WRITTEN: Final = "journal.new"


class Mounted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A file system of the standby. mount_point: absolute. uuid: as blkid prints it."""

    mount_point: str
    uuid: str
    kind: str


class MakeFolder(Struct, frozen=True, array_like=True, tag="d", forbid_unknown_fields=True):
    """A folder shall stand at path; anything else there gives way."""

    path: bytes
    meta: Metadata


class Put(Struct, frozen=True, array_like=True, tag="p", forbid_unknown_fields=True):
    """The staged file of that name, whole with its attributes, shall stand at path."""

    path: bytes
    staged: bytes


class Link(Struct, frozen=True, array_like=True, tag="h", forbid_unknown_fields=True):
    """path shall be another name of the file at target."""

    path: bytes
    target: bytes


class Remove(Struct, frozen=True, array_like=True, tag="r", forbid_unknown_fields=True):
    """Nothing shall stand at path."""

    path: bytes


class SetAttributes(Struct, frozen=True, array_like=True, tag="a", forbid_unknown_fields=True):
    """What stands at path (of this kind) shall have these attributes and no other xattrs."""

    path: bytes
    meta: Metadata
    is_folder: bool
    is_symlink: bool


Step: TypeAlias = MakeFolder | Put | Link | Remove | SetAttributes


class Journal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A committed sync.

    mounted: "/" before what is mounted below it. steps: in the order in which they are done.
    """

    image: str
    generation: int
    manifest_id: str
    mounted: tuple[Mounted, ...]
    steps: tuple[Step, ...]


_journal = Canonical(Journal, "journal")


def commit(folder: Path, journal: Journal) -> None:
    """Make the journal stand in the folder, durably and all at once. Raises StorageError."""
    payload = encode(journal)
    with storage_errors("write the journal in", folder):
        half = folder / HALF_WRITTEN
        half.unlink(missing_ok=True)
        write_durably(half, MAGIC + blake3(payload).digest() + payload)
        os.rename(half, folder / NAME)
        sync_folder(folder)


def read(folder: Path) -> Journal | None:
    """The committed journal; None if there is none. Raises IntegrityError, StorageError."""
    path = folder / NAME
    with storage_errors("read the journal", path):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
    start = len(MAGIC) + HASH_BYTES
    payload = content[start:]
    if content[:start] != MAGIC + blake3(payload).digest():
        raise IntegrityError(
            f"{path} is damaged", hint="install this machine anew from the image server"
        )
    return cast(Journal, _journal.decode(payload, str(path)))


def close(folder: Path) -> None:
    """Say that all of it is done. Raises StorageError."""
    with storage_errors("remove the journal in", folder):
        (folder / NAME).unlink(missing_ok=True)
        sync_folder(folder)
