"""Part "kill": SIGKILL at random moments of captures, restores and prunes.

Half of the kills of a capture are spread evenly over its whole measured duration and a little
beyond, the other half over its commit alone, so that the few milliseconds in which packs and
manifest get their names are hit hundreds of times. Durations are measured again every 20 cases,
for the machine has other work, too.
"""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from haoscar_pxe.image.writer import GenerationWriter
from tests.faults.amounts import Amounts
from tests.faults.child import Ending, forked
from tests.faults.pruning import Pruning
from tests.faults.scenarios import Capturing, Restoring, Scenario
from tests.faults.tally import Tally

MEASURED_RUNS: Final = 3
MEASURED_EVERY: Final = 20
BEYOND: Final = 1.15
"""Moments go up to this much of the duration, so that some kills come too late."""


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds from the start to the commit, and of the commit."""

    before_commit_s: float
    commit_s: float

    @property
    def whole_s(self) -> float:
        """Of all of it."""
        return self.before_commit_s + self.commit_s


def kill(folder: Path, dice: Random, amounts: Amounts) -> Tally:
    """Kill captures, then restores, then prunes."""
    tally = Tally("kill")
    for kind in (Capturing, Restoring, Pruning):
        (folder / kind.name).mkdir()
    _kill_captures(folder / "capture", dice, amounts.killed_captures, tally)
    restoring = Restoring(folder / "restore", dice, files=200, big_bytes=2_000_000)
    kill_at_random(restoring, folder, dice, amounts.killed_restores, tally)
    pruning = Pruning(folder / "prune", dice, files=300, big_bytes=2_000_000)
    kill_at_random(pruning, folder, dice, amounts.killed_prunes, tally)
    return tally


def _kill_captures(folder: Path, dice: Random, cases: int, tally: Tally) -> None:
    scenario = Capturing(folder, dice, files=300, big_bytes=3_000_000)
    for number in range(cases):
        if number % MEASURED_EVERY == 0:
            durations = _measure(scenario, folder)
        scenario.prepare()
        in_commit = number % 2 == 1
        span = durations.commit_s if in_commit else durations.whole_s
        ending, reached = _killed_capture(
            scenario, folder, dice.random() * span * BEYOND, in_commit
        )
        tally.count(f"captures killed {reached}" if ending == "killed" else f"captures: {ending}")
        _judge(scenario, ending, f"case {number}, {reached}", tally)


def _killed_capture(
    scenario: Capturing, folder: Path, delay_s: float, in_commit: bool
) -> tuple[Ending, str]:
    """How the capture ended, and where the kill found it."""
    reader, writer = os.pipe()
    child = forked(partial(_telling_capture, scenario, writer), folder / "words")
    os.close(writer)
    try:
        if in_commit:
            select.select([reader], [], [], 30)
        time.sleep(delay_s)
        child.kill()
        ending = child.wait()
        told = os.read(reader, 10)
    finally:
        os.close(reader)
    return ending, _reached(told, scenario.has_committed)


def _reached(told: bytes, has_committed: bool) -> str:
    if not told:
        return "before the commit"
    if told == b"[]":
        return "after the commit"
    visible = "visible" if has_committed else "not yet visible"
    return f"during the commit, generation {visible}"


def _telling_capture(scenario: Scenario, pipe: int) -> None:
    """Do the work; write "[" into the pipe when the commit begins, "]" when it is over."""
    commit = GenerationWriter.commit

    def telling(writer: GenerationWriter, *args: object, **options: object) -> object:
        os.write(pipe, b"[")
        made = commit(writer, *args, **options)  # type: ignore[arg-type]
        os.write(pipe, b"]")
        return made

    GenerationWriter.commit = telling  # type: ignore[assignment,method-assign]
    scenario.work()


def _measure(scenario: Capturing, folder: Path) -> Durations:
    spans = []
    for _ in range(MEASURED_RUNS):
        scenario.prepare()
        reader, writer = os.pipe()
        began = time.monotonic()
        child = forked(partial(_telling_capture, scenario, writer), folder / "words")
        os.close(writer)
        os.read(reader, 1)
        commit_began = time.monotonic()
        os.read(reader, 1)
        spans.append((commit_began - began, time.monotonic() - commit_began))
        os.close(reader)
        child.wait()
    return Durations(min(span[0] for span in spans), min(span[1] for span in spans))


def kill_at_random(
    scenario: Scenario, folder: Path, dice: Random, cases: int, tally: Tally
) -> None:
    """Kill the work at moments spread evenly over its duration; judge after each."""
    for number in range(cases):
        if number % MEASURED_EVERY == 0:
            whole_s = min(_duration_s(scenario, folder) for _ in range(MEASURED_RUNS))
        scenario.prepare()
        child = forked(scenario.work, folder / "words")
        time.sleep(dice.random() * whole_s * BEYOND)
        child.kill()
        ending = child.wait()
        tally.count(f"{scenario.name}s: {ending}")
        _judge(scenario, ending, f"{scenario.name} case {number}", tally)


def _duration_s(scenario: Scenario, folder: Path) -> float:
    scenario.prepare()
    began = time.monotonic()
    forked(scenario.work, folder / "words").wait()
    return time.monotonic() - began


def _judge(scenario: Scenario, ending: Ending, where: str, tally: Tally) -> None:
    tally.expect(ending in ("killed", "done"), f"{where}: {ending}")
    tally.lost += [f"{where}: {wrong}" for wrong in scenario.judge(ending)]
