"""What is remembered of the last time that a repository was mirrored: STATE/mirror.json.

It says until when this repository is known to hold all that the origin held.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from haoscar_pxe.errors import StorageError
from haoscar_pxe.image.durable import storage_errors

NAME: Final = "mirror.json"


class MirrorRecord(Struct, frozen=True):
    """where, token_file: as they were given. at_ns: when all was here that was there then
    (CLOCK_REALTIME). newest: the origin's newest generation of each image then.
    """

    where: str
    token_file: str
    at_ns: int
    newest: dict[str, int]


def write_record(folder: Path, record: MirrorRecord) -> None:
    """Remember it. Raises StorageError."""
    path = folder / NAME
    half = folder / f".{NAME}.{os.getpid()}"
    with storage_errors("write", path):
        folder.mkdir(parents=True, exist_ok=True)
        half.write_bytes(msgspec.json.encode(record))
        half.replace(path)


def read_record(folder: Path) -> MirrorRecord | None:
    """What is remembered, None if this repository is no mirror. Raises StorageError."""
    path = folder / NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=MirrorRecord)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise StorageError(f"cannot read {path}: {error}") from error
