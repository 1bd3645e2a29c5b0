"""The steps of a rehearsal as they happen: told to a narrator, timed, and kept for the report.

How they look on a terminal is the narrator's business.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol


class Narrator(Protocol):
    """Whoever tells the person at the terminal what happens."""

    def begin(self, step: str) -> None:
        """A step begins; "install" or "compare the disk"."""
        ...

    def detail(self, line: str) -> None:
        """Something worth knowing happened within the step."""
        ...

    def percent(self, percent: float, message: str) -> None:
        """The step is so far (0..100); called often, so show it in place or not at all."""
        ...

    def done(self, step: str, seconds: float) -> None:
        """The step ended well."""
        ...


class Quiet:
    """The Narrator of someone who only wants the report."""

    def begin(self, step: str) -> None:
        """Drop it."""

    def detail(self, line: str) -> None:
        """Drop it."""

    def percent(self, percent: float, message: str) -> None:
        """Drop it."""

    def done(self, step: str, seconds: float) -> None:
        """Drop it."""


@dataclass(frozen=True, slots=True)
class TimedStep:
    """A step that ended well, and how long it took."""

    name: str
    seconds: float


class Steps:
    """Runs steps one after the other and remembers how long each took."""

    def __init__(self, narrator: Narrator, clock: Callable[[], float] = time.monotonic) -> None:
        self.narrator = narrator
        self.timed: list[TimedStep] = []
        self._clock = clock

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step; one that raises is not counted as done."""
        self.narrator.begin(name)
        began = self._clock()
        yield
        taken = TimedStep(name, self._clock() - began)
        self.timed.append(taken)
        self.narrator.done(name, taken.seconds)
