"""The epochs that a member's acceptor may grant, written down before it does.

<state>/promise        two slots of 64 bytes, the second at 4096, never longer or shorter
    0   8  HXPROM1\\0
    8   8  serial, big-endian; the valid slot with the higher one counts
    16  8  limit, big-endian: no epoch above it was ever granted
    24  8  0
    32 32  BLAKE2s-256 of the 32 bytes before

A slot is overwritten in place, so a full disk cannot stop it, and one that is half written leaves
the other. An acceptor that starts promises the limit: it does not know how far it had come. So
that this disk is not written at each new epoch, limits are RESERVE apart.
"""

from __future__ import annotations

import os
import struct
from hashlib import blake2s
from pathlib import Path
from typing import Final

from haoscar_pxe.errors import FailoverError
from haoscar_pxe.image.durable import sync_folder

RESERVE: Final = 1 << 20
_MAGIC: Final = b"HXPROM1\0"
_SLOT: Final = struct.Struct("!8sQQ8x")
_DIGEST_BYTES: Final = 32
_SLOT_BYTES: Final = _SLOT.size + _DIGEST_BYTES
_PLACES: Final = (0, 4096)
_FILE_BYTES: Final = _PLACES[-1] + _SLOT_BYTES


class Promises:
    """The file of one member. limit: what it holds. Raises FailoverError: unreadable, damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            self._make()
        slots = [slot for at in _PLACES if (slot := self._slot(at))]
        if not slots:
            raise FailoverError(
                f"what this machine promised cannot be read: {path} is damaged",
                hint=f"stop the monitors of both heads and of the witness, remove {path}, and "
                "start them again",
            )
        self._serial, self.limit = max(slots)

    def raise_to(self, limit: int) -> None:
        """Make a limit durable; a lower one changes nothing. Raises FailoverError."""
        if limit <= self.limit:
            return
        serial = self._serial + 1
        try:
            with self._path.open("r+b", buffering=0) as file:
                os.pwrite(file.fileno(), _encoded(serial, limit), _PLACES[serial % 2])
                os.fdatasync(file.fileno())
        except OSError as error:
            raise FailoverError(f"cannot write {self._path}: {error.strerror}") from error
        self._serial, self.limit = serial, limit

    def _make(self) -> None:
        """Both slots with the limit 0, under a name of its own until they are on the disk."""
        half = self._path.with_name(f"{self._path.name}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            first = bytearray(_FILE_BYTES)
            for serial, at in enumerate(_PLACES):
                first[at : at + _SLOT_BYTES] = _encoded(serial, 0)
            with half.open("wb") as file:
                file.write(first)
                file.flush()
                os.fsync(file.fileno())
            half.rename(self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            raise FailoverError(f"cannot write {self._path}: {error.strerror}") from error

    def _slot(self, at: int) -> tuple[int, int] | None:
        """(serial, limit) of a slot, None if it is not whole."""
        try:
            with self._path.open("rb", buffering=0) as file:
                slot = os.pread(file.fileno(), _SLOT_BYTES, at)
        except OSError as error:
            raise FailoverError(f"cannot read {self._path}: {error.strerror}") from error
        if len(slot) < _SLOT_BYTES:
            return None
        magic, serial, limit = _SLOT.unpack_from(slot)
        is_whole = magic == _MAGIC and slot == _encoded(serial, limit)
        return (serial, limit) if is_whole else None


def _encoded(serial: int, limit: int) -> bytes:
    fields = _SLOT.pack(_MAGIC, serial, limit)
    return fields + blake2s(fields).digest()
