"""ImageFiles over a plain folder, for trees a test makes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """A tree on disk as ImageFiles."""

    root: Path

    def read(self, path: bytes) -> bytes | None:
        file = self._at(path)
        return file.read_bytes() if file.is_file() else None

    def is_regular(self, path: bytes) -> bool:
        file = self._at(path)
        return file.is_file() and not file.is_symlink()

    def names(self, folder: bytes) -> list[bytes]:
        at = self._at(folder)
        return sorted(os.listdir(os.fsencode(at))) if at.is_dir() else []

    def _at(self, path: bytes) -> Path:
        return self.root / os.fsdecode(path)


def tree(root: Path, files: dict[str, str]) -> FolderFiles:
    """Lay text files into root."""
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return FolderFiles(root)
