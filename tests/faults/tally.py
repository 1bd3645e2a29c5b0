"""What one part of the fault campaign did, counted, and every single thing that was lost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """counts: how often each thing happened. lost: every broken promise, in words."""

    part: str
    counts: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)

    def count(self, what: str, times: int = 1) -> None:
        """One more of these."""
        self.counts[what] += times

    def expect(self, holds: bool, what: str) -> None:
        """Note as lost what does not hold."""
        if not holds:
            self.lost.append(what)

    def lines(self) -> list[str]:
        """For people: one line a count, then what was lost."""
        verdict = f"LOST {len(self.lost)}" if self.lost else "nothing lost"
        counted = [f"  {number:>9,}  {what}" for what, number in self.counts.items()]
        return [f"{self.part}: {verdict}", *counted, *(f"  ! {each}" for each in self.lost[:20])]
