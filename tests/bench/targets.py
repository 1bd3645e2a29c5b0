"""What must be reached, as ratios of ours to a peer in the same run, and whether it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from tests.bench.measure import Measured

OURS: Final = "haoscar-pxe"
MB: Final = 1_000_000
MEMORY_BYTES: Final = 300 * MB
MEMORY_OF_MANY_BYTES: Final = 1000 * MB
"""For 2,000,000 entries."""

Say = Callable[[str], None]
Samples = Mapping[tuple[str, str], Sequence[Measured]]
"""All runs by part and tool."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ours and peer are in the same unit; limit: the ratio allowed.

    is_rate: the larger the better, so limit is the least ratio.
    """

    part: str
    what: str
    peer_name: str
    ours: float
    peer: float
    limit: float
    is_rate: bool = False

    @property
    def ratio(self) -> float:
        """Ours in parts of the peer's."""
        return self.ours / self.peer

    @property
    def holds(self) -> bool:
        """Whether the target is reached."""
        return self.ratio >= self.limit if self.is_rate else self.ratio <= self.limit

    @property
    def target(self) -> str:
        """The limit for a reader."""
        return f"{'≥' if self.is_rate else '≤'} {self.limit:.2f}"


SPEED: Final = (
    ("first", "mksquashfs", 0.75),
    ("first", "borg", 0.3),
    ("nothing", "rsync", 0.7),
    ("changed", "borg", 0.35),
    ("restore", "mksquashfs", 1.0),
)


def seconds(samples: Samples, part: str, tool: str) -> float:
    """The median of the runs."""
    return median(run.seconds for run in samples[part, tool])


def speed_rows(samples: Samples) -> list[Row]:
    """The targets of time, for the parts that were measured."""
    return [
        Row(part, "s", peer, seconds(samples, part, OURS), seconds(samples, part, peer), limit)
        for part, peer, limit in SPEED
        if (part, OURS) in samples and (part, peer) in samples
    ]


def size_rows(sizes: Mapping[str, int]) -> list[Row]:
    """The target of the repository's size after the first version. sizes: bytes by tool."""
    if OURS not in sizes or "borg" not in sizes:
        return []
    return [Row("first", "MB", "borg", sizes[OURS] / MB, sizes["borg"] / MB, 1.05)]


def delta_rows(received: Mapping[str, int]) -> list[Row]:
    """The targets of what a receiver is sent. received: bytes by tool."""
    limits = {"restic": 0.15, "rsync -z": 0.3}
    return [
        Row("delta", "MB received", peer, received[OURS] / MB, received[peer] / MB, limit)
        for peer, limit in limits.items()
        if OURS in received
    ]


def memory_rows(samples: Samples, many: str) -> list[Row]:
    """The targets of memory. many: begins the parts with 2,000,000 entries and their own limit."""
    peaks: dict[str, int] = {}
    for (part, tool), runs in samples.items():
        if tool == OURS:
            peaks[part] = max(run.peak_bytes for run in runs)
    return [
        Row(part, "MB of memory", "limit", peak / MB, _limit(part, many) / MB, 1.0)
        for part, peak in peaks.items()
    ]


def _limit(part: str, many: str) -> int:
    return MEMORY_OF_MANY_BYTES if part.startswith(many) else MEMORY_BYTES
