"""A file's content becomes extents of chunks, read again until it held still meanwhile.

Torn files: size, mtime, ctime and inode are compared before and after the read. What they cannot
show is a store through a shared writable mapping into a page that was dirty already; only a
snapshot of the storage is safe against that. Chunks of a discarded read stay in the generation's
packs without a reference.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from haoscar_pxe.capture.files.holes import Segment, data_segments
from haoscar_pxe.image.chunker import WHOLE_BELOW_BYTES, split_stream
from haoscar_pxe.image.entry import Extent
from haoscar_pxe.image.sealing import PIECE_BYTES

READS_MAX: Final = 4
READS_MAX_LARGE: Final = 2
LARGE_BYTES: Final = 256 << 20
"""Above it a file is read at most READS_MAX_LARGE times: it will not hold still any better."""
FIRST_PAUSE_S: Final = 0.05
"""Before the second read; doubled before each further one."""
TICK_NS: Final = 20_000_000
"""Time stamps advance by the kernel's tick, at most 10 ms: a file changed within the last tick can
change once more and look the same."""
CONTENT_BELOW_BYTES: Final = WHOLE_BELOW_BYTES
"""Below it a file is looked into for secrets; it is one piece then, or one for each stretch."""
BLOCK_BYTES: Final = 512  # unit of st_blocks, stat(3type)

_FILE_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class ChunkSink(Protocol):
    """Where chunks go: `image.writer.GenerationWriter`."""

    def add_chunk(self, data: bytes | memoryview) -> bytes:
        """Keep the chunk; its id."""
        ...

    def add_box(self, box: bytes) -> bytes:
        """Keep a sealed box, apart from chunks; its id."""
        ...


class Secrecy(Protocol):
    """How one file is kept from others: `entries.EntryReader` knows which it is."""

    @property
    def is_secret(self) -> bool:
        """Whether the file is a secret by its name."""
        ...

    def is_content(self, pieces: Iterable[bytes]) -> bool:
        """Whether the bytes of a file below `CONTENT_BELOW_BYTES` make it one."""
        ...

    def seal(self, data: bytes) -> bytes:
        """The box for a piece of a secret."""
        ...


class Public:
    """The `Secrecy` of a tree in which nothing is a secret."""

    is_secret = False

    def is_content(self, pieces: Iterable[bytes]) -> bool:
        """Never."""
        return False

    def seal(self, data: bytes) -> bytes:
        """Not asked for."""
        raise AssertionError("nothing of it is a secret")


class Clock(Protocol):
    """Time as this room needs it; `SystemClock`, or a test's own."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970, as the kernel stamps files."""
        ...

    def pause(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970."""
        return time.time_ns()

    def pause(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Content:
    """What was read of a file.

    status: as it was before the read that was kept. size_bytes: what was read, holes counted; it
    differs from the status only for a file that shrank and never held still. is_sealed: its chunks
    are sealed boxes.
    """

    status: os.stat_result
    size_bytes: int
    extents: tuple[Extent, ...]
    is_stable: bool
    is_sealed: bool


def open_file(name: bytes, folder_fd: int) -> int:
    """Open a regular file for reading; never blocks on a fifo, never follows a link.

    Leaves the atime alone where the kernel allows that. Raises OSError.
    """
    try:
        return os.open(name, _FILE_FLAGS | os.O_NOATIME, dir_fd=folder_fd)
    except PermissionError:
        # O_NOATIME is for the owner and root only, open(2).
        return os.open(name, _FILE_FLAGS, dir_fd=folder_fd)
    except BlockingIOError:
        # Somebody holds a lease on it (Samba's kernel oplocks): wait for the kernel to break it.
        return os.open(name, _FILE_FLAGS & ~os.O_NONBLOCK, dir_fd=folder_fd)


def read_content(fd: int, sink: ChunkSink, clock: Clock, secrecy: Secrecy) -> Content:
    """Read the open regular file until it held still, or as often as is worth it.

    A secret goes to the sink in boxes, and not a byte of it otherwise.
    Raises OSError when the disk does not give the bytes.
    """
    pause_s = FIRST_PAUSE_S
    reads = 1
    while True:
        content = _read_once(fd, sink, clock, secrecy)
        size_bytes = content.status.st_size
        if content.is_stable or reads >= _reads_max(size_bytes):
            return content
        clock.pause(pause_s)
        pause_s *= 2
        reads += 1


def _reads_max(size_bytes: int) -> int:
    return READS_MAX_LARGE if size_bytes > LARGE_BYTES else READS_MAX


def _read_once(fd: int, sink: ChunkSink, clock: Clock, secrecy: Secrecy) -> Content:
    before = _settled(fd, clock)
    is_sealed, pieces = _judged(fd, before, secrecy)
    if is_sealed:
        extents = tuple(Extent(at, len(d), sink.add_box(secrecy.seal(d))) for at, d in pieces)
    else:
        extents = tuple(Extent(at, len(data), sink.add_chunk(data)) for at, data in pieces)
    after = os.fstat(fd)
    is_stable = _stamp(before) == _stamp(after)
    size_bytes = before.st_size if is_stable else min(before.st_size, after.st_size)
    end = extents[-1].offset_bytes + extents[-1].size_bytes if extents else 0
    return Content(before, max(size_bytes, end), extents, is_stable, is_sealed)


def _settled(fd: int, clock: Clock) -> os.stat_result:
    """The status, once a further change would show in its time stamps."""
    status = os.fstat(fd)
    age_ns = clock.now_ns() - status.st_ctime_ns
    if 0 <= age_ns < TICK_NS:
        clock.pause((TICK_NS - age_ns) / 1e9)
        status = os.fstat(fd)
    return status


def _stamp(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _judged(
    fd: int, status: os.stat_result, secrecy: Secrecy
) -> tuple[bool, Iterable[tuple[int, bytes]]]:
    """Whether the file is a secret, and its pieces. A small one is read before that is decided."""
    if secrecy.is_secret:
        return True, _pieces(fd, status, _even_chunks)
    pieces = _pieces(fd, status, _chunks)
    if not 0 < status.st_size < CONTENT_BELOW_BYTES:
        return False, pieces
    read = list(pieces)
    return secrecy.is_content(data for _, data in read), read


def _pieces(
    fd: int, status: os.stat_result, cut: Callable[[int, Segment], Iterator[bytes]]
) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) of the file's data as it is cut."""
    for segment in _segments(fd, status):
        offset_bytes = segment.offset_bytes
        for chunk in cut(fd, segment):
            yield offset_bytes, chunk
            offset_bytes += len(chunk)
        if offset_bytes < segment.offset_bytes + segment.size_bytes:
            return  # it shrank meanwhile


def _segments(fd: int, status: os.stat_result) -> Iterator[Segment]:
    """Small files with all their blocks are not asked for holes: that is most files."""
    size_bytes = status.st_size
    if 0 < size_bytes < WHOLE_BELOW_BYTES and status.st_blocks * BLOCK_BYTES >= size_bytes:
        return iter((Segment(0, size_bytes),))
    return data_segments(fd, size_bytes)


def _chunks(fd: int, segment: Segment) -> Iterator[bytes]:
    if segment.size_bytes >= WHOLE_BELOW_BYTES:
        return split_stream(_Source(fd, segment), segment.size_bytes)
    chunk = _read_exactly(fd, segment)
    return iter((chunk,) if chunk else ())


def _even_chunks(fd: int, segment: Segment) -> Iterator[bytes]:
    """Pieces of one size: where a secret is cut must not depend on its bytes."""
    end = segment.offset_bytes + segment.size_bytes
    for offset in range(segment.offset_bytes, end, PIECE_BYTES):
        size_bytes = min(PIECE_BYTES, end - offset)
        chunk = _read_exactly(fd, Segment(offset, size_bytes))
        if chunk:
            yield chunk
        if len(chunk) < size_bytes:
            return


def _read_exactly(fd: int, segment: Segment) -> bytes:
    """The segment's bytes; fewer only if the file ends before."""
    chunk = os.pread(fd, segment.size_bytes, segment.offset_bytes)
    while chunk and len(chunk) < segment.size_bytes:
        missing = segment.size_bytes - len(chunk)
        more = os.pread(fd, missing, segment.offset_bytes + len(chunk))
        if not more:
            break
        chunk += more
    return chunk


class _Source:
    """The bytes of a segment, as `split_stream` reads them."""

    def __init__(self, fd: int, segment: Segment) -> None:
        self._fd = fd
        self._offset_bytes = segment.offset_bytes
        self._end_bytes = segment.offset_bytes + segment.size_bytes

    def readinto(self, buffer: memoryview, /) -> int:
        room = min(len(buffer), self._end_bytes - self._offset_bytes)
        count = os.preadv(self._fd, [memoryview(buffer)[:room]], self._offset_bytes) if room else 0
        self._offset_bytes += count
        return count
