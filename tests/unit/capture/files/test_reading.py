"""Content becomes extents; a file that changes meanwhile is read again or is named."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from haoscar_pxe.capture.files.reading import (
    READS_MAX,
    TICK_NS,
    Content,
    Public,
    SystemClock,
    open_file,
    read_content,
)
from haoscar_pxe.image.entry import File, Metadata
from tests.unit.capture.recording import PatientClock, RecordingSink, opened

MIB: Final = 1 << 20


@contextmanager
def opened_file(path: Path) -> Iterator[int]:
    with opened(path.parent) as folder_fd:
        fd = open_file(os.fsencode(path.name), folder_fd)
    try:
        yield fd
    finally:
        os.close(fd)


def read(path: Path, sink: RecordingSink, clock: PatientClock | None = None) -> Content:
    with opened_file(path) as fd:
        return read_content(fd, sink, clock or PatientClock(), Public())


def bytes_of(content: Content, sink: RecordingSink) -> bytes:
    return sink.content(File(b"f", Metadata(0, 0, 0, 0), content.size_bytes, content.extents))


class ActingSink(RecordingSink):
    """Does something to the file each time a chunk of it was read, as often as told."""

    def __init__(self, act: Callable[[], object], times: int) -> None:
        super().__init__()
        self._act = act
        self._times_left = times

    def add_chunk(self, data: bytes | memoryview) -> bytes:
        if self._times_left:
            self._times_left -= 1
            self._act()
        return super().add_chunk(data)


@pytest.mark.parametrize("size_bytes", [0, 1, 4096, MIB - 1, MIB, 5 * MIB + 3])
def test_content_of_any_size_is_kept(tmp_path: Path, size_bytes: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size_bytes))
    sink = RecordingSink()
    content = read(path, sink)
    assert bytes_of(content, sink) == path.read_bytes()
    assert content.is_stable


def test_small_file_is_one_chunk(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * (MIB - 1))
    assert len(read(path, RecordingSink()).extents) == 1


def test_sparse_file_costs_its_data(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.seek(512 * MIB)
        file.write(os.urandom(MIB))
        file.truncate(1024 * MIB)
    sink = RecordingSink()
    content = read(path, sink)
    assert content.size_bytes == 1024 * MIB
    assert sum(extent.size_bytes for extent in content.extents) == MIB
    assert sum(map(len, sink.chunks.values())) == MIB
    assert content.extents[0].offset_bytes == 512 * MIB


def test_small_file_with_a_trailing_hole_keeps_its_size(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"data")
    os.truncate(path, MIB // 2)
    sink = RecordingSink()
    content = read(path, sink)
    assert bytes_of(content, sink) == path.read_bytes()
    assert sum(extent.size_bytes for extent in content.extents) < MIB // 2


@pytest.mark.parametrize("size_bytes", [1000, 3 * MIB])
def test_file_rewritten_once_while_read_is_read_again(tmp_path: Path, size_bytes: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old" * size_bytes)
    sink = ActingSink(lambda: path.write_bytes(b"new" * size_bytes), times=1)
    clock = PatientClock()
    content = read(path, sink, clock)
    assert content.is_stable
    assert bytes_of(content, sink) == b"new" * size_bytes
    assert clock.pauses == [0.05]


def test_file_that_never_holds_still_is_read_a_few_times_and_named(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"line\n")

    def append() -> None:
        with path.open("ab") as file:
            file.write(b"line\n")

    sink = ActingSink(append, times=1000)
    clock = PatientClock()
    content = read(path, sink, clock)
    assert not content.is_stable
    assert len(clock.pauses) == READS_MAX - 1
    assert bytes_of(content, sink) == b"line\n" * READS_MAX
    assert content.size_bytes == content.status.st_size


def test_large_file_that_shrinks_while_read_has_the_size_that_was_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    sink = ActingSink(lambda: os.truncate(path, MIB), times=1000)
    path.write_bytes(os.urandom(5 * MIB))

    def grow_again(_seconds: float) -> None:
        path.write_bytes(os.urandom(5 * MIB))

    content = read(path, sink, PatientClock(grow_again))
    assert not content.is_stable
    end = content.extents[-1].offset_bytes + content.extents[-1].size_bytes
    assert MIB <= end <= content.size_bytes < 5 * MIB


def test_change_of_metadata_alone_is_a_change(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    content = read(path, ActingSink(lambda: path.chmod(0o600), times=1))
    assert content.is_stable
    assert content.status.st_mode & 0o777 == 0o600


def test_write_within_the_tick_of_the_last_change_is_waited_out(tmp_path: Path) -> None:
    """Two writes in one tick leave one time stamp: the first read must start after it."""
    path = tmp_path / "file"
    path.write_bytes(b"1")

    class JustNow(PatientClock):
        def now_ns(self) -> int:
            return path.stat().st_ctime_ns + 1_000_000

    clock = JustNow()
    read(path, RecordingSink(), clock)
    assert clock.pauses == [(TICK_NS - 1_000_000) / 1e9]


def test_writer_in_another_thread_never_yields_a_torn_file_unnamed(tmp_path: Path) -> None:
    """Each version is one letter from end to end, replaced in place as fast as it goes."""
    path = tmp_path / "file"
    versions = [bytes([letter]) * (2 * MIB) for letter in b"abcd"]
    path.write_bytes(versions[0])
    done = threading.Event()

    def rewrite() -> None:
        with path.open("r+b", buffering=0) as file:
            while not done.is_set():
                for version in versions:
                    os.pwrite(file.fileno(), version, 0)
                done.wait(0.02)

    writer = threading.Thread(target=rewrite)
    writer.start()
    stable = 0
    try:
        for _ in range(20):
            sink = RecordingSink()
            with opened_file(path) as fd:
                content = read_content(fd, sink, SystemClock(), Public())
            if content.is_stable:
                stable += 1
                assert bytes_of(content, sink) in versions
    finally:
        done.set()
        writer.join()
    assert stable


def test_fifo_in_the_place_of_a_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with opened_file(tmp_path / "pipe"):
        pass


def test_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic"), opened_file(tmp_path / "link"):
        pass


def test_reading_leaves_the_atime_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    os.utime(path, ns=(1, 1))
    read(path, RecordingSink())
    assert path.stat().st_atime_ns == 1
