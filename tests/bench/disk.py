"""A fresh ext4 in a file, mounted while it is needed: every repository and every restore gets one.

An ext4 on which many files were removed allocates inodes several times slower, so a used one would
measure what the tool before left. The loop device reads and writes its file directly: otherwise
every byte would lie in the page cache twice and an fsync would wait for somebody else's bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haoscar_pxe.command import run

SIZE_BYTES = 12 << 30


@contextmanager
def fresh_disk(folder: Path, name: str, inodes: int = 400_000) -> Iterator[Path]:
    """The mount point of a new file system below folder; gone at the end, whatever happens."""
    file, point = folder / f"{name}.ext4", folder / f"{name}.mount"
    with file.open("wb") as image:
        image.truncate(SIZE_BYTES)
    options = "lazy_itable_init=0,lazy_journal_init=0,nodiscard"
    try:
        run(["mkfs.ext4", "-q", "-F", "-m", "0", "-N", str(inodes), "-E", options, str(file)])
        point.mkdir()
        device = run(["losetup", "--find", "--show", "--direct-io=on", str(file)]).text.strip()
        try:
            with _mounted(device, point):
                yield point
        finally:
            run(["losetup", "--detach", device])
    finally:
        if point.exists():
            point.rmdir()
        file.unlink(missing_ok=True)


@contextmanager
def _mounted(device: str, point: Path) -> Iterator[None]:
    run(["mount", "-t", "ext4", device, str(point)])
    try:
        yield
    finally:
        run(["umount", str(point)])
