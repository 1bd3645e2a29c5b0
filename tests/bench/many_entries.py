"""A tree of 2,000,000 entries, small and empty files: what costs grow with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

MANY: Final = "many"
ENTRIES: Final = 2_000_000
FILES_A_FOLDER: Final = 500
TOUCHED: Final = 100
EMPTY_SHARE: Final = 10
"""One file in ten has bytes, the others are empty: the names are what is measured."""


def make_many(target: Path, entries: int = ENTRIES) -> None:
    """Fill target with folders of FILES_A_FOLDER files."""
    target.mkdir()
    for number in range(entries // (FILES_A_FOLDER + 1)):
        folder = target / f"{number // 100:03}" / f"{number % 100:02}"
        folder.mkdir(parents=True)
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        for file in range(FILES_A_FOLDER):
            _make(fd, file, b"%d/%d\n" % (number, file) if file % EMPTY_SHARE == 0 else b"")
        os.close(fd)


def touch_some(target: Path) -> None:
    """Give TOUCHED files other content."""
    for number in range(TOUCHED):
        (target / "000" / f"{number % 100:02}" / f"file-{number}").write_text(f"changed {number}\n")


def _make(folder_fd: int, number: int, content: bytes) -> None:
    fd = os.open(f"file-{number}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=folder_fd)
    if content:
        os.write(fd, content)
    os.close(fd)
