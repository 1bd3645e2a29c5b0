"""Makes the new files beside the tree, whole and durable, before anything in the tree changes.

Content comes from the standby's own files where the generation it had says that a chunk lies in
one of them, otherwise from the server; either way it is hashed before it is written.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, assert_never

from blake3 import blake3

from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.attributes import sync_file_system
from haoscar_pxe.image.entry import (
    AnyFile,
    Device,
    Directory,
    Entry,
    Fifo,
    File,
    HardLink,
    SealedFile,
    Socket,
    Symlink,
)
from haoscar_pxe.image.folders import open_below
from haoscar_pxe.image.laying import lay_file, lay_special
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.reader import extents
from haoscar_pxe.install.sync.fetching import Fetching
from haoscar_pxe.install.sync.places import Places

OLD_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Content(Protocol):
    """Where the content of new files comes from."""

    def of(self, entry: AnyFile) -> Iterator[tuple[int, bytes]]:
        """(offset, bytes) in ascending order, verified. Raises IntegrityError, StorageError."""
        ...


@dataclass(frozen=True, slots=True)
class Lying:
    """Where in the standby's own tree a chunk lay when it was made from its generation."""

    path: bytes
    offset_bytes: int
    size_bytes: int


def chunks_lying_here(
    had: Iterable[Entry], wanted: Iterable[Entry], more: frozenset[bytes] = frozenset()
) -> dict[bytes, Lying]:
    """Of the chunks that wanted files need, and more, those that old files hold."""
    files = (entry for entry in wanted if isinstance(entry, File))
    needed = more.union(each.chunk_id for entry in files for each in entry.extents)
    found: dict[bytes, Lying] = {}
    for entry in had if needed else ():
        if isinstance(entry, File):
            for each in entry.extents:
                if each.chunk_id in needed:
                    found[each.chunk_id] = Lying(entry.path, each.offset_bytes, each.size_bytes)
    return found


class OwnFirst:
    """Chunks from the identity, from the standby's own files, and from elsewhere, in this order.

    own_bytes, fetched_bytes: how much came from here and from elsewhere.
    """

    def __init__(
        self,
        root_fd: int,
        lying: Mapping[bytes, Lying],
        declared: Mapping[bytes, bytes],
        elsewhere: Fetching,
    ) -> None:
        self._root_fd = root_fd
        self._lying = lying
        self._declared = declared
        self._elsewhere = elsewhere
        self.own_bytes = 0
        self.fetched_bytes = 0

    def of(self, entry: AnyFile) -> Iterator[tuple[int, bytes]]:
        """See Content. A file of ours that is not what it was is no error."""
        if isinstance(entry, SealedFile):  # no hash of its content is anywhere
            for offset, data in extents(entry, self._elsewhere.boxes):
                self.fetched_bytes += len(data)
                yield offset, data
            return
        for extent in entry.extents:
            data = self._chunk(extent.chunk_id)
            if len(data) != extent.size_bytes:
                raise IntegrityError(f"a chunk of {entry.path!r} has {len(data)} bytes")
            yield extent.offset_bytes, data

    def _chunk(self, chunk_id: bytes) -> bytes:
        if (body := self._declared.get(chunk_id)) is not None:
            return body
        if (own := self.own(chunk_id)) is not None:
            self.own_bytes += len(own)
            return own
        data = self._elsewhere.chunk(chunk_id)
        self.fetched_bytes += len(data)
        return data

    def own(self, chunk_id: bytes) -> bytes | None:
        """The chunk out of one of the standby's own files, verified; None if it is in none."""
        lying = self._lying.get(chunk_id)
        if lying is None:
            return None
        parent, _, name = lying.path.rpartition(b"/")
        try:
            folder_fd = open_below(self._root_fd, parent)
            try:
                fd = os.open(name, OLD_FILE, dir_fd=folder_fd)
            finally:
                os.close(folder_fd)
            try:
                is_file = stat.S_ISREG(os.fstat(fd).st_mode)
                data = os.pread(fd, lying.size_bytes, lying.offset_bytes) if is_file else b""
            finally:
                os.close(fd)
        except OSError:
            return None
        return data if blake3(data).digest() == chunk_id else None


def stage(
    staged: Mapping[bytes, Entry], content: Content, places: Places, progress: Progress
) -> None:
    """Make every staged entry under its name; on return all of them are durable.

    Raises OSError, and what reading chunks raises.
    """
    for name, entry in staged.items():
        _make(places.staging_fd(entry.path), name, entry, content, progress)
        progress.advance(0)
    for fd in places.staging_fds():
        sync_file_system(fd)


def _make(folder_fd: int, name: bytes, entry: Entry, content: Content, progress: Progress) -> None:
    match entry:
        case File() | SealedFile():
            lay_file(entry, folder_fd, name, _counted(content.of(entry), progress))
        case Symlink() | Device() | Fifo() | Socket():
            lay_special(entry, folder_fd, name)
        case Directory() | HardLink():
            raise TypeError(f"{entry.path!r} is made in its place, not staged")
        case _:
            assert_never(entry)


def _counted(
    content: Iterator[tuple[int, bytes]], progress: Progress
) -> Iterator[tuple[int, bytes]]:
    """The same, each piece counted once it is written."""
    for piece in content:
        yield piece
        progress.advance(len(piece[1]), 0)
