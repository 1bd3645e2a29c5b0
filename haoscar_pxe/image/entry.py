"""Entries: what one name in a captured tree is, as stored in manifests.

A path is bytes, relative to the image's root, without leading or trailing slash; the root itself
is b"". Entries of a generation are ordered by `sort_key`, so a folder comes before what is in it.
This module describes values; `page.py` gives them their bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from msgspec import Struct

CHUNK_ID_BYTES = 32
"""A chunk id is the BLAKE3 hash of the chunk's uncompressed bytes."""


class Metadata(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What every kind of entry has.

    mode: permission bits with setuid, setgid and sticky (0o0000..0o7777), without the type.
    mtime_ns: nanoseconds since 1970, negative before.
    xattrs: (name, value) ordered by name: ACLs, capabilities and security labels are among them.
    """

    mode: int
    uid: int
    gid: int
    mtime_ns: int
    xattrs: tuple[tuple[bytes, bytes], ...] = ()


class Extent(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Bytes of a file that are one chunk; what lies between extents is a hole.

    offset_bytes: where in the file. size_bytes: the chunk's uncompressed size, at least 1.
    """

    offset_bytes: int
    size_bytes: int
    chunk_id: bytes


class Directory(Struct, frozen=True, array_like=True, tag="d", forbid_unknown_fields=True):
    """A folder; the root of the tree is one with path b""."""

    path: bytes
    meta: Metadata


class File(Struct, frozen=True, array_like=True, tag="f", forbid_unknown_fields=True):
    """A regular file. Extents are ascending, do not overlap and end at or before size_bytes."""

    path: bytes
    meta: Metadata
    size_bytes: int
    extents: tuple[Extent, ...] = ()


class SealedFile(Struct, frozen=True, array_like=True, tag="x", forbid_unknown_fields=True):
    """A regular file that is a secret: as a File, but its chunks are sealed boxes.

    key_id: of the sealing key. An extent's size is of the plaintext, its chunk id of the box, so
    no hash of the content is anywhere; the box is `sealing.OVERHEAD_BYTES` longer.
    """

    path: bytes
    meta: Metadata
    size_bytes: int
    key_id: bytes
    extents: tuple[Extent, ...] = ()


class HardLink(Struct, frozen=True, array_like=True, tag="h", forbid_unknown_fields=True):
    """Another name of `target`, an earlier entry that is not a folder and not a HardLink."""

    path: bytes
    target: bytes


class Symlink(Struct, frozen=True, array_like=True, tag="l", forbid_unknown_fields=True):
    """A symbolic link; target is kept as it stands, whether it leads anywhere or not."""

    path: bytes
    meta: Metadata
    target: bytes


class Device(Struct, frozen=True, array_like=True, tag="n", forbid_unknown_fields=True):
    """A device node; is_block False means a character device."""

    path: bytes
    meta: Metadata
    is_block: bool
    major: int
    minor: int


class Fifo(Struct, frozen=True, array_like=True, tag="p", forbid_unknown_fields=True):
    """A named pipe."""

    path: bytes
    meta: Metadata


class Socket(Struct, frozen=True, array_like=True, tag="s", forbid_unknown_fields=True):
    """A Unix socket's name."""

    path: bytes
    meta: Metadata


Entry: TypeAlias = Directory | File | SealedFile | HardLink | Symlink | Device | Fifo | Socket
AnyFile: TypeAlias = File | SealedFile


def sort_key(path: bytes) -> bytes:
    r"""Key that orders paths as a walk meets them: parent first, then each subtree whole.

    >>> sorted([b"a-b", b"a/c", b"a"], key=sort_key)
    [b'a', b'a/c', b'a-b']
    """
    return path.replace(b"/", b"\0")


def stored_bytes(entry: Entry) -> int:
    """Bytes of content that the entry needs on a disk: holes count nothing."""
    if not isinstance(entry, AnyFile):
        return 0
    extents = entry.extents
    return extents[0].size_bytes if len(extents) == 1 else sum(each.size_bytes for each in extents)


def chunk_ids(entry: Entry) -> tuple[bytes, ...]:
    """The chunks that the entry needs, in order."""
    if not isinstance(entry, AnyFile):
        return ()
    extents = entry.extents
    return (extents[0].chunk_id,) if len(extents) == 1 else tuple(e.chunk_id for e in extents)


def parents(path: bytes) -> Iterator[bytes]:
    """The folders above path, nearest first, ending with the root b"".

    >>> list(parents(b"etc/ssh/sshd_config"))
    [b'etc/ssh', b'etc', b'']
    """
    while path:
        path = path.rpartition(b"/")[0]
        yield path
