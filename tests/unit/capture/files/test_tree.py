"""Whole trees: what is captured comes back, and what was lost on the way is said."""

from __future__ import annotations

import os
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from haoscar_pxe.capture.files.tree import capture_tree, content_bytes
from haoscar_pxe.capture.files.walk import Losses, walk
from haoscar_pxe.capture.scope.scope import Scope
from haoscar_pxe.command import run
from haoscar_pxe.errors import CaptureError
from haoscar_pxe.image.entry import Directory, Entry, HardLink
from haoscar_pxe.image.progress import Silence
from tests.unit.capture.recording import PatientClock, RecordingSink, opened, record
from tests.unit.image.awkward import as_nobody


class Counts:
    """A Progress that adds up."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self.entries = 0

    def expect(self, total_bytes: int) -> None:
        """Not counted."""

    def advance(self, size_bytes: int, entries: int = 1) -> None:
        self.size_bytes += size_bytes
        self.entries += entries


def test_progress_counts_every_entry_and_all_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 5000)
    (tmp_path / "b").mkdir()
    counts = Counts()
    with opened(tmp_path) as fd:
        captured = capture_tree(
            fd, Scope(), frozenset({b""}), RecordingSink(), counts, PatientClock()
        )
        expected = content_bytes(walk(fd, Scope(), Losses()))
    assert (counts.entries, counts.size_bytes) == (3, 5000)
    assert (captured.entries, captured.stored_bytes) == (3, 5000)
    assert expected == 5000


def test_used_bytes_are_whole_blocks_counted_where_they_lie(tmp_path: Path) -> None:
    (tmp_path / "boot/efi").mkdir(parents=True)
    (tmp_path / "boot/vmlinuz").write_bytes(b"x" * 4097)
    (tmp_path / "bootx").write_bytes(b"x")
    with opened(tmp_path) as fd:
        places = frozenset({b"", b"boot"})
        captured = capture_tree(fd, Scope(), places, RecordingSink(), Silence(), PatientClock())
    assert captured.used_bytes == {b"": 4096 + 4096, b"boot": 4096 + 4096 + 8192}


def test_hard_link_to_a_name_that_was_left_out_is_the_file_itself(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    for name in ("b", "c"):
        (tmp_path / name).hardlink_to(tmp_path / "a")
    sink, _ = record(tmp_path, Scope(excluded={b"a": "test"}))
    assert sink.file(b"b").size_bytes == 1
    assert sink.entry(b"c") == HardLink(b"c", b"b")


def test_excluded_folder_stays_as_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "repo/packs").mkdir(parents=True)
    sink, _ = record(tmp_path, Scope(excluded={b"repo": "the repository"}))
    assert sink.paths() == [b"", b"repo"]
    assert isinstance(sink.entry(b"repo"), Directory)


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Path]:
    """A folder with 100,000 names of one file, so that making them is quick."""
    many = tmp_path / "many"
    many.mkdir()
    firsts = [many / f"{number:06}" for number in range(0, 100_000, 50_000)]
    for first in firsts:
        first.touch()
        for number in range(int(first.name) + 1, int(first.name) + 50_000):
            os.link(first, many / f"{number:06}")
    yield many
    run(["rm", "-rf", str(many)])


class CountingSink(RecordingSink):
    """Counts entries and keeps none."""

    count = 0

    def add_entry(self, entry: Entry) -> None:
        self.count += 1


def test_folder_with_very_many_names_stays_in_bounds(crowded: Path) -> None:
    sink = CountingSink()
    tracemalloc.start()
    try:
        with opened(crowded) as fd:
            capture_tree(fd, Scope(), frozenset({b""}), sink, Silence(), PatientClock())
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sink.count == 100_001
    assert peak_bytes < 30 << 20


def test_file_that_cannot_be_read_stops_the_capture_and_every_one_is_named(
    tmp_path: Path,
) -> None:
    """As an ordinary user, because root may read everything."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(12):
        (tree / f"secret{number:02}").write_bytes(b"x")
    if os.geteuid() == 0:
        for path in (tree, *tree.iterdir()):
            os.chown(path, 65534, 65534)
        for path in (*tmp_path.parents, tmp_path):
            if path.stat().st_uid == 0 and not path.stat().st_mode & 0o001:
                path.chmod(0o711)
    for path in tree.iterdir():
        path.chmod(0)

    def act() -> None:
        with pytest.raises(CaptureError) as caught:
            record(tree)
        message = str(caught.value)
        assert message.startswith("12 files or folders could not be read")
        assert "/secret00: Permission denied" in message
        assert "/secret09" in message
        assert "and 2 more" in message
        assert "root" in caught.value.hint

    as_nobody(act)


def test_tree_in_use_is_captured_whole_while_files_come_and_go(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"keep{number:03}").write_bytes(b"kept" * number)
    done = threading.Event()

    def bustle() -> None:
        while not done.is_set():
            for number in range(0, 200, 5):
                passing = tmp_path / f"keep{number:03}.tmp"
                passing.write_bytes(b"passing")
                passing.rename(tmp_path / f"passing{number:03}")
                (tmp_path / f"passing{number:03}").unlink()

    thread = threading.Thread(target=bustle)
    thread.start()
    try:
        for _ in range(5):
            sink, captured = record(tmp_path)
            for number in range(200):
                file = sink.file(f"keep{number:03}".encode())
                assert sink.content(file) == b"kept" * number
            assert not any(path.startswith(b"keep000/") for path in captured.vanished)
    finally:
        done.set()
        thread.join()


def test_log_that_never_holds_still_is_named_and_all_else_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"line\n")
    (tmp_path / "quiet").write_bytes(b"quiet")

    class Busy(RecordingSink):
        def add_chunk(self, data: bytes | memoryview) -> bytes:
            if bytes(data).startswith(b"line"):
                with log.open("ab") as file:
                    file.write(b"line\n")
            return super().add_chunk(data)

    sink = Busy()
    with opened(tmp_path) as fd:
        captured = capture_tree(fd, Scope(), frozenset({b""}), sink, Silence(), PatientClock())
    assert captured.unstable == (b"log",)
    assert sink.content(sink.file(b"log")).startswith(b"line\n")
    assert sink.content(sink.file(b"quiet")) == b"quiet"
