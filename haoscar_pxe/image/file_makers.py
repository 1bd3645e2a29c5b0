"""Processes that make files: two cores make small files no faster than Python's lock lets them.

The caller makes folders and sends batches of files with the descriptors of their folders. Makers
are forked: they have the caller's reader with all its indexes, and read, unpack, hash and write
each on its own. Only for stores that several processes may read at once, as a folder is.
"""

from __future__ import annotations

import gc
import os
import socket
import warnings
from collections import deque
from dataclasses import dataclass, field
from select import select
from typing import Final

from haoscar_pxe.errors import RestoreError
from haoscar_pxe.image.entry import AnyFile, stored_bytes
from haoscar_pxe.image.file_maker import (
    BATCH_FOLDERS,
    Batch,
    error_of,
    receive_outcome,
    send_batch,
    work,
)
from haoscar_pxe.image.reader import ChunkReader

BATCH_BYTES: Final = 4 << 20
BATCH_FILES: Final = 256
BATCHES_WAITING: Final = 2
"""For each maker: one that it works at and one that is ready."""
MAKERS_MAX: Final = 8


def makers_to_use() -> int:
    """How many are worth it on this machine: none where there is one processor."""
    processors = len(os.sched_getaffinity(0))
    return min(processors, MAKERS_MAX) if processors > 1 else 0


class FileFailedError(Exception):
    """A maker met an OSError; path: at which file."""

    def __init__(self, path: bytes, error: OSError) -> None:
        super().__init__(path, error)
        self.path = path
        self.error = error


@dataclass(slots=True)
class _Maker:
    """One process. waiting: numbers of the batches that it was sent and has not done."""

    process: int
    link: socket.socket
    waiting: deque[int] = field(default_factory=deque)


class FileMakers:
    """A few makers and the batch for the next of them. Use it in a `with`."""

    def __init__(self, count: int, chunks: ChunkReader) -> None:
        """count: 1 or more. chunks: of a store that several processes may read at once."""
        self._count = count
        self._chunks = chunks
        self._makers: list[_Maker] = []
        self._batch: Batch = []
        self._batch_bytes = 0
        self._folders: dict[bytes, tuple[int, int]] = {}
        self._next = 0

    def __enter__(self) -> FileMakers:
        try:
            for _ in range(self._count):
                self._makers.append(self._fork())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the makers: each finishes what it was sent."""
        self._forget_folders()
        for maker in self._makers:
            maker.link.close()
        for maker in self._makers:
            os.waitpid(maker.process, 0)
        self._makers.clear()

    @property
    def processes(self) -> list[int]:
        """Ids of the makers' processes."""
        return [maker.process for maker in self._makers]

    @property
    def newest(self) -> int:
        """Number of the batch that the file added last is in; they ascend."""
        return self._next if self._batch else self._next - 1

    @property
    def oldest(self) -> int:
        """Number of the oldest batch that is not laid down."""
        waiting = [maker.waiting[0] for maker in self._makers if maker.waiting]
        return min(waiting, default=self._next)

    def add(self, entry: AnyFile, folder: bytes, folder_fd: int) -> None:
        """Have the file made in that folder. Raises as `wait`."""
        place = self._folders.get(folder)
        if place is None:
            # A copy, for the caller may have closed its own when the batch is sent.
            place = self._folders[folder] = len(self._folders), os.dup(folder_fd)
        self._batch.append((place[0], entry))
        self._batch_bytes += stored_bytes(entry)
        is_full = self._batch_bytes >= BATCH_BYTES or len(self._batch) >= BATCH_FILES
        if is_full or len(self._folders) >= BATCH_FOLDERS:
            self.send()

    def send(self) -> None:
        """Send the batch as it is. Raises as `wait`."""
        if not self._batch:
            return
        self.look()
        while min(len(maker.waiting) for maker in self._makers) >= BATCHES_WAITING:
            self.wait()
        maker = min(self._makers, key=lambda each: len(each.waiting))
        try:
            send_batch(maker.link, self._batch, [fd for _, fd in self._folders.values()])
        except OSError as error:
            raise _gone() from error
        maker.waiting.append(self._next)
        self._next += 1
        self._batch, self._batch_bytes = [], 0
        self._forget_folders()

    def look(self) -> None:
        """Take what makers have said by now. Raises as `wait`."""
        while self._receive(0.0):
            pass

    def wait(self) -> None:
        """Wait until a maker has done a batch, if one was sent.

        Raises FileFailedError, RestoreError (a maker was killed), and what reading chunks raises.
        """
        self._receive(None)

    def _receive(self, timeout_s: float | None) -> bool:
        busy = {maker.link: maker for maker in self._makers if maker.waiting}
        ready = select(busy, (), (), timeout_s)[0] if busy else []
        for link in ready:
            outcome = receive_outcome(link)
            if outcome is None:
                raise _gone()
            if outcome.kind:
                raise error_of(outcome)
            if outcome.path:
                raise FileFailedError(outcome.path, OSError(outcome.number, outcome.message))
            busy[link].waiting.popleft()
        return bool(ready)

    def _fork(self) -> _Maker:
        own, its = socket.socketpair()
        gc.freeze()  # a collection in the maker would copy every page that holds an object
        with warnings.catch_warnings():
            # Python 3.12 warns of threads that hold locks; a maker takes none that they could.
            warnings.simplefilter("ignore", DeprecationWarning)
            process = os.fork()
        if process:
            its.close()
            return _Maker(process, own)
        own.close()
        for maker in self._makers:  # or the others would not see their caller's end
            maker.link.close()
        work(its, self._chunks)

    def _forget_folders(self) -> None:
        for _, fd in self._folders.values():
            os.close(fd)
        self._folders.clear()


def _gone() -> RestoreError:
    return RestoreError(
        "a process that makes files is gone; the restore is not complete",
        hint="'dmesg' tells whether the kernel ended it for want of memory",
    )
