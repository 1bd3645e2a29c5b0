"""A sink that keeps what a capture gives it, and a clock that does not wait."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from blake3 import blake3

from haoscar_pxe.capture.files.tree import Captured, capture_tree
from haoscar_pxe.capture.scope.mounts import Mount
from haoscar_pxe.capture.scope.scope import Scope
from haoscar_pxe.image.entry import Entry, File
from haoscar_pxe.image.progress import Silence


class RecordingSink:
    """Chunks by id and entries in the order they came."""

    def __init__(self) -> None:
        self.chunks: dict[bytes, bytes] = {}
        self.entries: list[Entry] = []

    def add_chunk(self, data: bytes | memoryview) -> bytes:
        chunk_id = blake3(data).digest()
        self.chunks[chunk_id] = bytes(data)
        return chunk_id

    def add_box(self, box: bytes) -> bytes:
        return self.add_chunk(box)

    def add_entry(self, entry: Entry) -> None:
        self.entries.append(entry)

    def paths(self) -> list[bytes]:
        return [entry.path for entry in self.entries]

    def entry(self, path: bytes) -> Entry:
        return next(entry for entry in self.entries if entry.path == path)

    def file(self, path: bytes) -> File:
        entry = self.entry(path)
        assert isinstance(entry, File)
        return entry

    def content(self, entry: File) -> bytes:
        """The file's bytes, holes as zeros."""
        content = bytearray(entry.size_bytes)
        for extent in entry.extents:
            end = extent.offset_bytes + extent.size_bytes
            content[extent.offset_bytes : end] = self.chunks[extent.chunk_id]
        assert len(content) == entry.size_bytes
        return bytes(content)


class PatientClock:
    """A clock by which every change is long ago; pausing does what the test says."""

    def __init__(self, on_pause: Callable[[float], None] = lambda seconds: None) -> None:
        self.pauses: list[float] = []
        self._on_pause = on_pause

    def now_ns(self) -> int:
        return 2**62

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._on_pause(seconds)


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    """A descriptor of the folder."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


def record(root: Path, scope: Scope | None = None) -> tuple[RecordingSink, Captured]:
    """Capture the tree into a new sink."""
    sink = RecordingSink()
    with opened(root) as fd:
        captured = capture_tree(
            fd, scope or Scope(), frozenset({b""}), sink, Silence(), PatientClock()
        )
    return sink, captured


def mount(
    mount_id: int,
    mount_point: bytes,
    *,
    parent: int = 1,
    kind: str = "ext4",
    device: tuple[int, int] = (8, 1),
    fs_root: bytes = b"/",
) -> Mount:
    """A mount of which only what matters is said."""
    return Mount(mount_id, parent, device, fs_root, mount_point, kind, b"/dev/some")
