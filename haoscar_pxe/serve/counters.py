"""How often what happened, for `/health` and the last line of the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


class Counters:
    """Counts by name ("tftp finished"); names come from the code, never from the network."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def count(self, name: str, by: int = 1) -> None:
        """One more (or `by` more) of these."""
        self._counts[name] += by

    def snapshot(self) -> Mapping[str, int]:
        """All counts so far, ordered by name."""
        return dict(sorted(self._counts.items()))

    def __getitem__(self, name: str) -> int:
        return self._counts[name]
