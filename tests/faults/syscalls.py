"""Part "syscalls": a fault at every system call of a small capture, restore and prune.

Killed, or told "no space left" or "input/output error", at each call that changes the disk (the
long form: at each that reads, too). Short writes come from a limit on the size of files, set to
every few hundred bytes: the write that crosses it is cut short, the next one fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

from tests.faults.amounts import Amounts
from tests.faults.child import Ending, forked, under_limits
from tests.faults.ground import committed_in
from tests.faults.pruning import Pruning
from tests.faults.scenarios import Capturing, Restoring, Scenario
from tests.faults.syscall_points import SYNCING, Point, points_of, with_fault
from tests.faults.tally import Tally

FAULTS: Final = ("KILL", "ENOSPC", "EIO")


def syscalls(folder: Path, dice: Random, amounts: Amounts) -> Tally:
    """Disturb every point; amounts.point_step leaves some out of the short form."""
    tally = Tally("syscalls")
    for scenario in _scenarios(folder, dice):
        disturb_all(scenario, folder, amounts, tally)
    _cut_writes_short(folder, dice, amounts, tally)
    return tally


def disturb_all(scenario: Scenario, folder: Path, amounts: Amounts, tally: Tally) -> None:
    """Every fault at every system call of one scenario."""
    scenario.prepare()
    points = points_of(scenario.work, folder)
    wanted = [each for each in points if each.is_mutating or amounts.reading_points]
    tally.count(f"{scenario.name}: system calls to disturb", len(wanted))
    for number, point in enumerate(wanted):
        for fault in FAULTS:
            if (number + FAULTS.index(fault)) % amounts.point_step == 0:
                _disturb(scenario, point, fault, folder / "words", tally)


def _scenarios(folder: Path, dice: Random) -> Iterator[Scenario]:
    for kind in (Capturing, Restoring, Pruning):
        own = folder / kind.name
        own.mkdir()
        yield kind(own, dice, files=5, big_bytes=200_000)


def _disturb(scenario: Scenario, point: Point, fault: str, words: Path, tally: Tally) -> None:
    scenario.prepare()
    ending = with_fault(scenario.work, point, fault, words)
    said = words.read_text() if words.exists() else ""
    if ending == "unexpected" and not point.is_mutating:
        tally.count("a call that only reads failed, and the work ended with a traceback")
        ending = "refused"
    _note(scenario, ending, f"{fault} at {point}", said, tally)
    if point.call in SYNCING - scenario.dispensable and fault != "KILL":
        tally.count("failing fsync ends the work at once")
        tally.expect(ending == "refused", f"{scenario.name}: {fault} at {point} was passed over")


def _note(scenario: Scenario, ending: Ending, fault: str, said: str, tally: Tally) -> None:
    tally.count(f"{scenario.name}: {fault.split()[0]}: {ending}")
    where = f"{scenario.name}, {fault}"
    if ending in ("unexpected", "too long"):
        tally.lost.append(f"{where}: {ending}: {said[-600:]}")
    tally.lost += [f"{where}: {wrong}" for wrong in scenario.judge(ending)]


def _cut_writes_short(folder: Path, dice: Random, amounts: Amounts, tally: Tally) -> None:
    own = folder / "short"
    own.mkdir()
    scenario = Capturing(own, dice, files=5, big_bytes=200_000)
    scenario.work()
    packs = scenario.repository.store
    largest = max(map(packs.size, packs.pack_ids()))
    assert committed_in(scenario.repository)
    for most in range(1, largest, max(1, largest // amounts.short_writes)):
        scenario.prepare()
        child = forked(under_limits(scenario.work, file_bytes=most), folder / "words")
        _note(scenario, child.wait(), f"short write after {most} bytes", child.last_words(), tally)
