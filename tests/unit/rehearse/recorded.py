"""Stand-ins for what a rehearsal watches: a program runner and a narrator that remember."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from haoscar_pxe.command import Finished


@dataclass
class RecordedRun:
    """A Run that starts nothing. answers: stdout by the first words of a command."""

    answers: dict[str, str] = field(default_factory=dict)
    asked: list[list[str]] = field(default_factory=list)

    def __call__(self, argv: Sequence[str], *, stdin: bytes = b"", hint: str = "") -> Finished:
        self.asked.append(list(argv))
        line = " ".join(argv)
        for words, answer in self.answers.items():
            if line.startswith(words):
                return Finished(answer.encode(), b"")
        return Finished(b"", b"")


@dataclass
class RecordedNarrator:
    """A Narrator that keeps what it was told."""

    told: list[str] = field(default_factory=list)

    def begin(self, step: str) -> None:
        self.told.append(f"begin {step}")

    def detail(self, line: str) -> None:
        self.told.append(line)

    def percent(self, percent: float, message: str) -> None:
        self.told.append(f"{percent:g} % {message}")

    def done(self, step: str, seconds: float) -> None:
        self.told.append(f"done {step} {seconds:g}")


@dataclass
class Clock:
    """A clock that moves only when somebody sleeps."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
