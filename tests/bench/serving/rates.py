"""What the serving parts must reach: rates of ours to the fastest peer's, and fixed limits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import median
from typing import Final

from tests.bench.targets import OURS, Row, Say

LIMIT: Final = "limit"


class Rates:
    """All measured values of the serving parts, by part, what and daemon; medians are judged."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self.samples: dict[tuple[str, str, str], list[float]] = defaultdict(list)
        self.rows: list[Row] = []

    def note(self, part: str, what: str, name: str, value: float, remark: str = "") -> None:
        """One run; what names the unit."""
        self.samples[part, what, name].append(value)
        self._say(f"{part:10} {what:44} {name:12} {value:10.2f} {remark}")

    def middle(self, part: str, what: str, name: str) -> float:
        """The median of the runs."""
        return median(self.samples[part, what, name])

    def at_least(self, part: str, what: str, factors: Mapping[str, float]) -> None:
        """Ours must be so many times each of these peers; the fastest of several by `fastest`."""
        for peer, factor in factors.items():
            ours, theirs = self.middle(part, what, OURS), self.middle(part, what, peer)
            self.rows.append(Row(part, what, peer, ours, theirs, factor, is_rate=True))

    def fastest(self, part: str, what: str) -> str:
        """Which peer had the best median."""
        names = {name for p, w, name in self.samples if (p, w) == (part, what) and name != OURS}
        return max(names, key=lambda name: self.middle(part, what, name))

    def limit(self, part: str, what: str, limit: float, *, is_rate: bool = False) -> None:
        """A fixed limit for ours: at most, or (is_rate) at least."""
        ours = self.middle(part, what, OURS)
        self.rows.append(Row(part, what, LIMIT, ours, limit, 1.0, is_rate=is_rate))
