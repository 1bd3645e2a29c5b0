"""A visited name becomes its entry, its content going to the sink on the way."""

from __future__ import annotations

import errno
import os
import stat
from typing import Final, Protocol

from haoscar_pxe.capture.files.links import LinkTable, may_be_linked
from haoscar_pxe.capture.files.metadata import metadata, xattrs_of_file, xattrs_of_name
from haoscar_pxe.capture.files.reading import (
    ChunkSink,
    Clock,
    Public,
    Secrecy,
    open_file,
    read_content,
)
from haoscar_pxe.capture.files.sealed_tree import SealedTree
from haoscar_pxe.capture.files.walk import Visit
from haoscar_pxe.image.entry import (
    Device,
    Directory,
    Entry,
    Fifo,
    File,
    HardLink,
    Metadata,
    SealedFile,
    Socket,
    Symlink,
)

UNTOUCHED_MODE: Final = 0o755
"""A folder whose own mode could not be asked for becomes root's, with this mode."""
_REPLACED: Final = frozenset({errno.ELOOP, errno.EINVAL, errno.ENXIO})


class KnownEntries(Protocol):
    """The generation before: `known.KnownTree`."""

    def entry(self, path: bytes, status: os.stat_result) -> Entry | None:
        """The entry that path had, if it has this very status still."""
        ...


class EntryReader:
    """Makes entries of visits, in the walk's order.

    unstable: paths of files that never held still while they were read. status: of the name that
    was read last, from before it was read; None if it must be read again the next time.
    """

    def __init__(
        self,
        root_fd: int,
        sink: ChunkSink,
        clock: Clock,
        known: KnownEntries | None = None,
        sealed: SealedTree | None = None,
    ) -> None:
        """known: the generation before; what has the same status still is not read.

        sealed: None where nothing is a secret.
        """
        self._known = known
        self._sealed = sealed
        self._sink = sink
        self._clock = clock
        self._links = LinkTable(root_fd)
        self.unstable: list[bytes] = []
        self.status: os.stat_result | None = None

    def read(self, visit: Visit) -> Entry:
        """The entry of what is at the visited name now.

        Raises FileNotFoundError when it vanished, any other OSError when it cannot be read.
        """
        self.status = visit.status
        if visit.status is None:
            return Directory(visit.path, Metadata(UNTOUCHED_MODE, 0, 0, 0))
        entry = self._known_entry(visit.path, visit.status) if self._known else None
        if entry is not None:
            return entry
        if visit.is_folder:
            xattrs = xattrs_of_name(visit.folder_fd, visit.name)
            return Directory(visit.path, metadata(visit.status, xattrs))
        try:
            return self._read(visit, visit.status)
        except OSError as error:
            if error.errno not in _REPLACED:
                raise
        self.status = None
        # The name became something else (a link where a file was): once more, as what it is now.
        status = os.stat(visit.name, dir_fd=visit.folder_fd, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            raise FileNotFoundError(errno.ENOENT, "it became a folder", os.fsdecode(visit.path))
        return self._read(visit, status)

    def _known_entry(self, path: bytes, status: os.stat_result) -> Entry | None:
        """The entry of the generation before, where it still is what is there."""
        assert self._known is not None
        entry = self._known.entry(path, status)
        if isinstance(entry, SealedFile) and not self._is_current(entry):
            return None
        if entry is None or not may_be_linked(status):
            return entry
        first = self._links.first_path(status)
        if first is not None:
            is_same = isinstance(entry, HardLink) and entry.target == first
            return entry if is_same else HardLink(path, first)
        if isinstance(entry, HardLink):
            return None
        self._links.remember(path, status)
        return entry

    def _is_current(self, entry: SealedFile) -> bool:
        """Whether it was sealed by the key that seals now: after a rotation it is sealed anew."""
        return self._sealed is not None and entry.key_id == self._sealed.key.key_id

    def _read(self, visit: Visit, status: os.stat_result) -> Entry:
        if stat.S_ISREG(status.st_mode):
            return self._read_file(visit)
        first = self._links.first_path(status)
        if first is not None:
            return HardLink(visit.path, first)
        entry = _special(visit, status)
        self._links.remember(visit.path, status)
        return entry

    def _read_file(self, visit: Visit) -> Entry:
        fd = open_file(visit.name, visit.folder_fd)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "it is no regular file any more")
            first = self._links.first_path(status)
            if first is not None:
                return HardLink(visit.path, first)
            return self._read_open_file(visit.path, fd, self._secrecy(visit.path, status))
        finally:
            os.close(fd)

    def _secrecy(self, path: bytes, status: os.stat_result) -> Secrecy:
        return self._sealed.of(path, status) if self._sealed else Public()

    def _read_open_file(self, path: bytes, fd: int, secrecy: Secrecy) -> File | SealedFile:
        content = read_content(fd, self._sink, self._clock, secrecy)
        if not content.is_stable:
            self.unstable.append(path)
        self.status = content.status if content.is_stable else None
        self._links.remember(path, content.status)
        meta = metadata(content.status, xattrs_of_file(fd))
        if not content.is_sealed:
            return File(path, meta, content.size_bytes, content.extents)
        assert self._sealed is not None
        key_id = self._sealed.key.key_id
        return SealedFile(path, meta, content.size_bytes, key_id, content.extents)


def _special(visit: Visit, status: os.stat_result) -> Entry:
    """Symbolic links, devices, fifos and sockets: nothing of them is opened."""
    meta = metadata(status, xattrs_of_name(visit.folder_fd, visit.name))
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        return Symlink(visit.path, meta, os.readlink(visit.name, dir_fd=visit.folder_fd))
    if stat.S_ISFIFO(mode):
        return Fifo(visit.path, meta)
    if stat.S_ISSOCK(mode):
        return Socket(visit.path, meta)
    is_block = stat.S_ISBLK(mode)
    return Device(visit.path, meta, is_block, os.major(status.st_rdev), os.minor(status.st_rdev))
