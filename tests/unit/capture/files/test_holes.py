"""Holes are found where the file system has them, and data is never missed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from haoscar_pxe.capture.files.holes import Segment, data_segments

MIB: Final = 1 << 20


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


def test_data_between_two_holes(fd: int) -> None:
    os.ftruncate(fd, 8 * MIB)
    os.pwrite(fd, b"x" * MIB, 4 * MIB)
    assert list(data_segments(fd, 8 * MIB)) == [Segment(4 * MIB, MIB)]


def test_trailing_hole_smaller_than_a_block_hides_nothing(fd: int) -> None:
    os.pwrite(fd, b"data", 0)
    os.ftruncate(fd, MIB + 1)
    [one] = data_segments(fd, MIB + 1)
    assert one.offset_bytes == 0
    assert 4 <= one.size_bytes < MIB


def test_file_that_is_one_hole_has_no_data(fd: int) -> None:
    os.ftruncate(fd, MIB)
    assert list(data_segments(fd, MIB)) == []


def test_empty_file_has_no_data(fd: int) -> None:
    assert list(data_segments(fd, 0)) == []


def test_data_ends_where_the_asked_size_ends(fd: int) -> None:
    os.pwrite(fd, b"x" * MIB, 0)
    assert list(data_segments(fd, 100)) == [Segment(0, 100)]


def test_file_that_shrank_since_ends_the_search(fd: int) -> None:
    os.pwrite(fd, b"x" * 100, 0)
    segments = data_segments(fd, MIB)
    assert next(segments).offset_bytes == 0
    assert list(segments) == []


def test_file_system_in_memory_works_as_well() -> None:
    with tempfile.TemporaryFile(dir="/dev/shm") as file:
        file.truncate(4 * MIB)
        os.pwrite(file.fileno(), b"x", 2 * MIB)
        [one] = data_segments(file.fileno(), 4 * MIB)
        assert one.offset_bytes == 2 * MIB


def test_pseudo_file_without_seek_data_is_one_piece() -> None:
    fd = os.open("/proc/self/status", os.O_RDONLY)
    try:
        assert list(data_segments(fd, 100)) == [Segment(0, 100)]
    finally:
        os.close(fd)
