"""What the kernel said of every name of a generation, so that the next capture reads what changed.

    CACHE/<image>.statuses   "HXSTAT\\r\\n" | manifest id (64 hex digits) | id of the rules (32)
                             BLAKE3 of the rows (32)
                             rows: st_dev u64, st_ino u64, st_ctime in ns u64; one for each entry

st_dev is that of the live file system, also where a snapshot was read: a snapshot has the inodes
and ctimes of what it was taken of, but a device of its own. Rows are in the order of the manifest's
entries. It is only a cache: of another manifest, of another
length, damaged or gone, everything is read; so it is after the rules changed by which files are
secrets (`secrets.py`).

A row of zeros never matches. It stands for what changed after the capture began, or less than
RACY_NS before: a time stamp of the kernel's tick may not show a second change. Before that moment
the file systems are synced, since a store through a shared mapping moves the ctime only where the
page was clean (mmap(2), msync(2)); a later store is therefore seen by the next capture.
"""

from __future__ import annotations

import contextlib
import os
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from blake3 import blake3

MAGIC: Final = b"HXSTAT\r\n"
RACY_NS: Final = 1_000_000_000
ROW: Final = 3
_U64: Final = (1 << 64) - 1
_NEVER: Final = (0, 0, 0)


def stamp(status: os.stat_result, devices: Mapping[int, int]) -> tuple[int, int, int]:
    """What differs if the name, its content, or anything about it, is not what it was.

    The ctime moves with content, mode, owner, xattrs and links, and no program can set it.
    devices: st_dev in a snapshot to st_dev of the live file system.
    """
    device = devices.get(status.st_dev, status.st_dev)
    return device, status.st_ino, status.st_ctime_ns & _U64


class StatusLog:
    """Rows for the entries of a capture, in their order. devices: see `stamp`."""

    def __init__(self, began_ns: int) -> None:
        """began_ns: before the capture looked at anything, nanoseconds since 1970."""
        self._racy_from_ns = began_ns - RACY_NS
        self._rows = array("Q")
        self.devices: Mapping[int, int] = {}

    def add(self, status: os.stat_result | None) -> None:
        """Note the next entry. status: from before it was read, None if it must be read again."""
        if status is None or status.st_ctime_ns >= self._racy_from_ns:
            self._rows.extend(_NEVER)
        else:
            self._rows.extend(stamp(status, self.devices))

    def distrust(self) -> None:
        """Let none of what is noted from now on ever match."""
        self._racy_from_ns = -(1 << 63)

    def save(self, path: Path, manifest_id: str, rules_id: bytes) -> None:
        """Keep the rows beside the generation. It is worth no failure: without it, all is read."""
        rows = self._rows.tobytes()
        new = path.with_name(path.name + ".new")
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            new.unlink(missing_ok=True)
            new.write_bytes(MAGIC + manifest_id.encode() + rules_id + blake3(rows).digest() + rows)
            new.replace(path)


def load_statuses(
    path: Path, manifest_id: str, rules_id: bytes, entry_count: int
) -> array[int] | None:
    """The rows of this very manifest, made by these rules; None if they are not to be had."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    head = MAGIC + manifest_id.encode() + rules_id
    begin = len(head) + 32
    rows = memoryview(content)[begin:]
    if len(rows) != entry_count * ROW * 8 or not content.startswith(head):
        return None
    if blake3(rows).digest() != content[len(head) : begin]:
        return None
    found = array("Q")
    found.frombytes(rows)
    return found
