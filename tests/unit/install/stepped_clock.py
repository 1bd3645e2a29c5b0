"""Time for tests: it passes only while somebody waits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class SteppedClock:
    """A clock that `sleep` moves. then: files that appear when their moment has come."""

    now: float = 1000.0
    then: dict[float, list[Path]] = field(default_factory=dict)

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for moment in [moment for moment in self.then if moment <= self.now]:
            for path in self.then.pop(moment):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("2048\n")
