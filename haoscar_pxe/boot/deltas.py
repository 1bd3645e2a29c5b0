"""The deltas that the boot server gives: which there can be, and making one when it is asked for.

A refusal is remembered, so that nobody can have the same hopeless delta made again and again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final

from haoscar_pxe.boot.generations import READER_MEMORY_BYTES, Generations
from haoscar_pxe.errors import RepositoryError
from haoscar_pxe.image.delta import DeltaTooLargeError
from haoscar_pxe.image.delta_cache import DeltaCache, NoSavingError
from haoscar_pxe.image.manifest import manifest_id
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.nodes.asking import Refusal

log = logging.getLogger(__name__)

NEVER_S: Final = 86_400.0
"""The same two generations come to the same delta; a day, because free space is part of it."""
FAILED_S: Final = 60.0
REFUSALS_KEPT: Final = 1000
INSTEAD: Final = "fetch the packs"

Ids = tuple[str, str]


class Deltas:
    """Safe to use from several threads. `make` should be called by one at a time: it is heavy."""

    def __init__(
        self,
        generations: Generations,
        cache: DeltaCache,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._generations = generations
        self._cache = cache
        self._now_s = now_s
        self._refused: OrderedDict[Ids, tuple[float, Refusal]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, image: str, older: int, newer: int) -> Path | Refusal | None:
        """The file, or why there is none; None: it can be made. Raises StorageError."""
        ids = self._ids(image, older, newer)
        if isinstance(ids, Refusal):
            return ids
        return self._remembered(ids) or self._cache.find(*ids)

    def make(self, image: str, older: int, newer: int) -> Path | Refusal:
        """Make it, unless somebody just did. What goes wrong is logged, and refused."""
        try:
            found = self.find(image, older, newer)
            return self._made(image, older, newer) if found is None else found
        except (NoSavingError, DeltaTooLargeError) as error:
            return self._refuse(image, older, newer, NEVER_S, str(error))
        except RepositoryError as error:
            log.error("no delta of %s from %d to %d: %s", image, older, newer, error)
            return self._refuse(image, older, newer, FAILED_S, "making it failed; see the log")

    def _made(self, image: str, older: int, newer: int) -> Path:
        repository, trusted = self._generations.repository, self._generations.trusted
        chunks = ChunkReader(repository.store, memory_bytes=READER_MEMORY_BYTES)
        return self._cache.make(
            repository.manifest(image, older, trusted),
            repository.manifest(image, newer, trusted),
            chunks,
        )

    def _ids(self, image: str, older: int, newer: int) -> Ids | Refusal:
        """Ids of the manifests as they lie there now: a prune or a new capture is seen at once."""
        if older == newer:
            return Refusal(404, "a generation has no delta from itself")
        found = []
        for number in (older, newer):
            try:
                sealed = self._generations.repository.manifest_path(image, number).read_bytes()
            except (OSError, RepositoryError):
                return Refusal(404, f"there is no generation {number} of {image}")
            found.append(manifest_id(sealed))
        return found[0], found[1]

    def _refuse(self, image: str, older: int, newer: int, for_s: float, why: str) -> Refusal:
        """404 and not 503: whoever asks shall not wait for it, for there are the packs."""
        ids = self._ids(image, older, newer)
        if isinstance(ids, Refusal):  # pruned meanwhile
            return ids
        refusal = Refusal(404, f"there is no delta: {why}; {INSTEAD}")
        with self._lock:
            self._refused[ids] = (self._now_s() + for_s, refusal)
            if len(self._refused) > REFUSALS_KEPT:
                self._refused.popitem(last=False)
        return refusal

    def _remembered(self, ids: Ids) -> Refusal | None:
        with self._lock:
            until_s, refusal = self._refused.get(ids, (0.0, None))
            if refusal is not None and until_s <= self._now_s():
                del self._refused[ids]
                return None
            return refusal
