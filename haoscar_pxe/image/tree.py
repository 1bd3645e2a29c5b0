"""What a sequence of entries must be like to be a tree, checked one entry at a time.

The same rules hold for what a capture writes and for what a reader accepts, and they need no
memory of earlier entries but the folder that the last one left open. That a hard link's target
exists needs one; `reader.py` looks it up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.compression import MAX_CHUNK_BYTES
from haoscar_pxe.image.entry import (
    CHUNK_ID_BYTES,
    AnyFile,
    Device,
    Directory,
    Entry,
    HardLink,
    Metadata,
    SealedFile,
    Symlink,
    sort_key,
)
from haoscar_pxe.image.sealing import KEY_ID_BYTES, OVERHEAD_BYTES

MAX_PATH_BYTES: Final = 65_535
"""Longer than PATH_MAX on purpose: deep trees exist and are walked folder by folder."""
MAX_NAME_BYTES: Final = 255
MAX_SYMLINK_BYTES: Final = 4095  # PATH_MAX less its NUL, symlink(7)
MAX_XATTR_BYTES: Final = 65_536  # XATTR_SIZE_MAX, linux/limits.h
MAX_ID: Final = 2**32 - 2  # 2^32 - 1 means "leave as it is" to chown(2)
MAX_MAJOR: Final = 2**12 - 1  # linux/kdev_t.h
MAX_MINOR: Final = 2**20 - 1
MTIME_NS: Final = range(-(2**63), 2**64)
"""What MessagePack holds, the years 1677 to 2554; ext4 ends in 2446."""


class MalformedTreeError(IntegrityError):
    """A sequence of entries is not a tree; nothing may be laid down from it."""

    def __init__(self, path: bytes, reason: str) -> None:
        super().__init__(f"entry {_shown(path)} is refused: {reason}")


class TreeChecker:
    """Checks entries in their order: one tree, parents first, every value possible."""

    def __init__(self) -> None:
        self._last_key: bytes | None = None
        self._folder = b""

    def check(self, entry: Entry) -> None:
        """Raise MalformedTreeError unless the entry may follow those checked before."""
        path = entry.path
        if self._last_key is None:
            self._check_root(entry)
        else:
            check_path(path)
            self._check_place(path)
        check_values(entry)
        self._last_key = sort_key(path)
        if isinstance(entry, Directory):
            self._folder = path

    def follow(self, page: Sequence[Entry]) -> None:
        """Check that entries, which were checked before in this order, may follow the last one."""
        self.check(page[0])
        self._last_key = sort_key(page[-1].path)
        for entry in page:
            if isinstance(entry, Directory):
                self._folder = entry.path

    def _check_root(self, entry: Entry) -> None:
        if entry.path != b"" or not isinstance(entry, Directory):
            raise MalformedTreeError(entry.path, "the first entry must be the root folder")

    def _check_place(self, path: bytes) -> None:
        """Every ancestor of the last folder is a folder, so a prefix test finds the parent."""
        if self._last_key is not None and sort_key(path) <= self._last_key:
            raise MalformedTreeError(path, "it is not in order, or there twice")
        parent = path.rpartition(b"/")[0]
        if parent and parent != self._folder and not self._folder.startswith(parent + b"/"):
            raise MalformedTreeError(path, f"its parent {_shown(parent)} is not a folder")


def check_path(path: bytes) -> None:
    """Raise MalformedTreeError unless path is relative, plain and not the root."""
    if not path or len(path) > MAX_PATH_BYTES:
        raise MalformedTreeError(path, f"its path has {len(path)} bytes")
    if b"\0" in path:
        raise MalformedTreeError(path, "its path holds a NUL byte")
    for name in path.split(b"/"):
        if name in (b"", b".", b".."):
            raise MalformedTreeError(path, f"{name!r} is not a name")
        if len(name) > MAX_NAME_BYTES:
            raise MalformedTreeError(path, f"a name of {len(name)} bytes is too long")


def check_values(entry: Entry) -> None:
    """Raise MalformedTreeError for values that no kernel would give or take."""
    if isinstance(entry, HardLink):
        check_path(entry.target)
        if sort_key(entry.target) >= sort_key(entry.path):
            raise MalformedTreeError(entry.path, "a hard link's target must come before it")
        return
    _check_metadata(entry.path, entry.meta)
    if isinstance(entry, AnyFile):
        _check_extents(entry)
    elif isinstance(entry, Symlink):
        if not 1 <= len(entry.target) <= MAX_SYMLINK_BYTES or b"\0" in entry.target:
            raise MalformedTreeError(entry.path, "its target is no symbolic link's")
    elif isinstance(entry, Device) and not (
        0 <= entry.major <= MAX_MAJOR and 0 <= entry.minor <= MAX_MINOR
    ):
        raise MalformedTreeError(entry.path, f"no device is {entry.major}:{entry.minor}")


def _check_metadata(path: bytes, meta: Metadata) -> None:
    if not 0 <= meta.mode <= 0o7777:
        raise MalformedTreeError(path, f"mode {meta.mode:#o} has other bits than permissions")
    if not (0 <= meta.uid <= MAX_ID and 0 <= meta.gid <= MAX_ID):
        raise MalformedTreeError(path, f"owner {meta.uid}:{meta.gid} is impossible")
    if meta.mtime_ns not in MTIME_NS:
        raise MalformedTreeError(path, f"mtime {meta.mtime_ns} ns is impossible")
    before = b""
    for name, value in meta.xattrs:
        if not before < name or len(name) > MAX_NAME_BYTES or b"\0" in name:
            raise MalformedTreeError(path, "its xattrs are unordered or misnamed")
        if len(value) > MAX_XATTR_BYTES:
            raise MalformedTreeError(path, f"xattr {name!r} has {len(value)} bytes")
        before = name


def _check_extents(entry: AnyFile) -> None:
    end = 0
    most_bytes = MAX_CHUNK_BYTES
    if isinstance(entry, SealedFile):
        most_bytes -= OVERHEAD_BYTES
        if len(entry.key_id) != KEY_ID_BYTES:
            raise MalformedTreeError(entry.path, "the id of its key has the wrong length")
    for extent in entry.extents:
        if len(extent.chunk_id) != CHUNK_ID_BYTES:
            raise MalformedTreeError(entry.path, "a chunk id has the wrong length")
        if extent.offset_bytes < end or not 1 <= extent.size_bytes <= most_bytes:
            raise MalformedTreeError(
                entry.path, f"{extent.size_bytes} bytes cannot lie at {extent.offset_bytes}"
            )
        end = extent.offset_bytes + extent.size_bytes
    if not end <= entry.size_bytes < 2**63:
        raise MalformedTreeError(entry.path, f"{entry.size_bytes} bytes cannot be its size")


def _shown(path: bytes) -> str:
    return repr(path if len(path) <= 200 else path[:200] + b"...")
