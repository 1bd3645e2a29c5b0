"""Which generations there are, without listing the repository's folders for every request.

What a folder held is kept for as long as its mtime stays the same: a manifest is linked into it or
removed from it, both of which change that. A folder that changed just now is listed anew each time,
because two changes within one tick of the file system's clock have the same mtime.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from haoscar_pxe.errors import RepositoryError
from haoscar_pxe.image.durable import storage_errors
from haoscar_pxe.image.repository import Repository

SETTLED_NS: Final = 2_000_000_000


class Listing:
    """Images and generations of one repository; safe to ask from several threads."""

    def __init__(self, repository: Repository, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._repository = repository
        self._folder = repository.path / "images"
        self._now_ns = now_ns
        self._numbers: dict[str, tuple[int, tuple[int, ...]]] = {}

    def images(self) -> frozenset[str]:
        """Those that have a generation. Raises StorageError."""
        with storage_errors("list the images of", self._repository.path):
            names = os.listdir(self._folder)
        return frozenset(name for name in names if self._known(name))

    def generations(self, image: str) -> tuple[int, ...]:
        """The generations' numbers, ascending. Raises RepositoryError for an unknown image."""
        return self._known(image) or tuple(self._repository.generations(image))

    def _known(self, image: str) -> tuple[int, ...]:
        """The numbers, () for what is no image (the name may be anything; none is kept)."""
        stamp = _mtime_ns(self._folder / image)
        kept = self._numbers.get(image)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        try:
            found = tuple(self._repository.generations(image))
        except RepositoryError:
            return ()
        if self._now_ns() - stamp > SETTLED_NS:
            self._numbers[image] = (stamp, found)
        return found


def _mtime_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
