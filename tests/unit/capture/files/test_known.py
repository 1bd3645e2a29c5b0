"""What did not change is not read again, and everything that could have changed is."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from haoscar_pxe.capture.capture import CaptureOptions, capture
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader, entries, read_file
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import SigningKey
from tests.unit.capture.sealing import SEALING

LARGE_BYTES = 8 << 20
SETTLE_S = 1.1
"""Longer than `statuses.RACY_NS`: what is younger is always read again."""


class Ground:
    """A tree that held still for long enough, and a repository that has it."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "tree"
        self.repository = Repository.create(folder / "repository")
        self.signer = SigningKey.generate()
        for number in range(600):
            file = self.tree / f"d{number % 7}" / f"f{number}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"file {number}\n")
        (self.tree / "large").write_bytes(os.urandom(LARGE_BYTES))
        os.link(self.tree / "large", self.tree / "d1" / "large")
        (self.tree / "link").symlink_to("large")
        time.sleep(SETTLE_S)
        self.first = self.capture()

    def capture(self, *, full: bool = False) -> Manifest:
        options = CaptureOptions(self.tree, "head", sealing=SEALING, full=full)
        return capture(options, self.repository, self.signer, Silence()).manifest

    def content(self, manifest: Manifest, path: bytes) -> bytes:
        return read_file(manifest, ChunkReader(self.repository.store), path)

    def paths(self, manifest: Manifest) -> list[bytes]:
        chunks = ChunkReader(self.repository.store)
        return [entry.path for entry in entries(manifest, chunks)]


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def bytes_read() -> int:
    """What this process read so far (proc(5), rchar)."""
    return int(Path("/proc/self/io").read_text().split()[1])


def test_an_unchanged_tree_is_the_same_pages_and_is_not_read(ground: Ground) -> None:
    before = bytes_read()
    again = ground.capture()
    assert bytes_read() - before < LARGE_BYTES
    assert again.pages == ground.first.pages
    assert (again.entry_count, again.logical_bytes, again.stored_bytes) == (
        ground.first.entry_count,
        ground.first.logical_bytes,
        ground.first.stored_bytes,
    )


def test_a_full_capture_reads_what_did_not_change(ground: Ground) -> None:
    before = bytes_read()
    again = ground.capture(full=True)
    assert bytes_read() - before > LARGE_BYTES
    assert again.pages == ground.first.pages


def test_other_bytes_under_the_old_size_and_mtime_are_noticed(ground: Ground) -> None:
    file = ground.tree / "d3" / "f3"
    old = file.stat()
    file.write_text("FILE 3\n")
    os.utime(file, ns=(old.st_atime_ns, old.st_mtime_ns))
    again = ground.capture()
    assert ground.content(again, b"d3/f3") == b"FILE 3\n"


def test_a_change_right_after_a_capture_is_noticed(ground: Ground) -> None:
    file = ground.tree / "d3" / "f3"
    for number in range(5):
        file.write_text(f"{number:06}\n")
        assert ground.content(ground.capture(), b"d3/f3") == b"%06d\n" % number


def test_what_was_young_at_one_capture_is_read_at_the_next(ground: Ground) -> None:
    (ground.tree / "large").write_bytes(os.urandom(LARGE_BYTES))
    ground.capture()
    before = bytes_read()
    ground.capture()
    assert bytes_read() - before > LARGE_BYTES


def test_new_renamed_and_removed_names_are_as_a_full_capture_sees_them(ground: Ground) -> None:
    (ground.tree / "d2").rename(ground.tree / "e2")
    (ground.tree / "d5" / "f5").unlink()
    (ground.tree / "d0" / "new").write_text("new")
    (ground.tree / "d1" / "large").unlink()
    (ground.tree / "d6" / "f6").chmod(0o600)
    (ground.tree / "zz").mkdir()
    quick = ground.capture()
    slow = ground.capture(full=True)
    assert quick.pages == slow.pages
    assert b"e2/f2" in ground.paths(quick)


def test_removing_the_last_names_of_the_tree_keeps_those_before(ground: Ground) -> None:
    (ground.tree / "link").unlink()
    assert ground.paths(ground.capture()) == ground.paths(ground.first)[:-1]


def test_a_hard_link_whose_first_name_is_gone_is_a_file(ground: Ground) -> None:
    (ground.tree / "d1" / "large").unlink()
    again = ground.capture()
    assert ground.content(again, b"large") == (ground.tree / "large").read_bytes()


def test_chunks_that_are_gone_are_stored_again(ground: Ground) -> None:
    for pack in (ground.repository.path / "packs").rglob("*.pack"):
        pack.unlink()
    again = ground.capture()
    assert ground.content(again, b"large") == (ground.tree / "large").read_bytes()


def test_damaged_statuses_are_not_believed(ground: Ground) -> None:
    cache = ground.repository.path / "cache" / "head.statuses"
    content = bytearray(cache.read_bytes())
    content[-1] ^= 1
    cache.write_bytes(content)
    before = bytes_read()
    assert ground.capture().pages == ground.first.pages
    assert bytes_read() - before > LARGE_BYTES


def test_statuses_of_another_generation_are_not_believed(ground: Ground) -> None:
    cache = ground.repository.path / "cache" / "head.statuses"
    old = cache.read_bytes()
    (ground.tree / "d3" / "f3").write_text("FILE 3\n")
    ground.capture()
    cache.write_bytes(old)
    assert ground.content(ground.capture(), b"d3/f3") == b"FILE 3\n"


def test_another_tree_with_the_same_names_is_read(ground: Ground, tmp_path: Path) -> None:
    other = tmp_path / "other"
    ground.tree.rename(tmp_path / "away")
    for path in ground.paths(ground.first):
        place = other / os.fsdecode(path)
        if (tmp_path / "away" / os.fsdecode(path)).is_dir():
            place.mkdir(exist_ok=True)
        else:
            place.write_text("other")
    ground.tree = other
    assert ground.content(ground.capture(), b"d3/f3") == b"other"
