"""A folder of things that are expensive to make and never change once made.

    FOLDER/.lock            held while something is made
    FOLDER/.building-…      half-made; a leftover of a killed run if nobody holds the lock
    FOLDER/<key>.made       one line: the name of what was made for this key
    FOLDER/<name>           a file or folder, complete

What a power cut leaves is either not there or complete. It removes nothing that was completed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from haoscar_pxe.errors import BootError

BUILDING: Final = ".building-"


@dataclass(frozen=True, slots=True)
class BuildCache:
    """The folder; to be used while `opened` lasts."""

    folder: Path

    def made_for(self, key: str) -> Path | None:
        """What was made for this key before, if it is still here."""
        try:
            name = (self.folder / f"{key}.made").read_text().strip()
        except FileNotFoundError:
            return None
        path = self.folder / name
        return path if name and path.exists() else None

    def remember(self, key: str, made: Path) -> Path:
        """Note that `made` is what this key stands for; returns it."""
        half_written = self.folder / f"{BUILDING}{key}"
        half_written.write_text(f"{made.name}\n")
        _to_disk(half_written)
        half_written.rename(self.folder / f"{key}.made")
        return made

    def make(self, name: str, build: Callable[[Path], None]) -> Path:
        """The file or folder of this name; if it is not here, build makes it at the path given."""
        made = self.folder / name
        if not made.exists():
            half_built = self.folder / f"{BUILDING}{name}"
            build(half_built)
            for path in [half_built, *half_built.rglob("*")]:
                _to_disk(path)
            half_built.rename(made)
            _to_disk(self.folder)
        return made


@contextmanager
def opened(folder: Path, what: str) -> Iterator[BuildCache]:
    """The cache, ours alone until the block ends: of two that want the same thing one makes it.

    what: named in the BootError that is raised when the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for leftover in folder.glob(f"{BUILDING}*"):
                _remove(leftover)
            yield BuildCache(folder)
    except OSError as error:
        raise BootError(
            f"{what} cannot be made in {folder}: {error}",
            hint=f"look at the free space and the owner of {folder}",
        ) from error


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _to_disk(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
