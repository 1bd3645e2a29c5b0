"""The failover campaign: three hosts, every fault, and an observer that counts who answers.

What must hold, in every trial: after the first answer of the new head there is none of the old one,
and nobody answers in turns. Where the other head must take over, it does; where it must not, it
does not. The times are from the fault to the first echo from the new head.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

from tests.faults.amounts import Amounts
from tests.faults.failover_faults import FAULTS, Fault, Scene, mounted_small, unmounted
from tests.faults.observer import Run, observing
from tests.faults.tally import Tally
from tests.faults.three_hosts import HEADS, VIRTUAL, Ground, three_hosts

MOST_S: Final = 1.5
"""From a crash to the first answer, at the worst."""
PLANNED_S: Final = 0.15
BEFORE_S: Final = 0.2
SILENT_S: Final = 0.7
AFTER_S: Final = 0.3
"""Until a keeper that was frozen has said that it lost the lease."""
CRASHES: Final = ("the host dies", "it dies and the other's disk is full")
PLANNED: Final = "it is moved as planned"


def failover(folder: Path, random: Random, amounts: Amounts) -> Tally:
    """Every fault so often, in an order of its own."""
    tally = Tally("failover")
    trials = [fault for fault in FAULTS for _ in range(amounts.failovers)]
    random.shuffle(trials)
    crashes, planned = [], []
    with _ground(folder) as ground:
        if not ground.wait_well():
            tally.lost.append("the three did not come up:\n" + ground.logs())
            return tally
        for fault in trials:
            silent_s = _trial(ground, fault, random, tally)
            if fault.name in CRASHES and silent_s is not None:
                crashes.append(silent_s)
            elif fault.name == PLANNED and silent_s is not None:
                planned.append(silent_s)
            if tally.lost:
                tally.lost.append(ground.logs())
                return tally
    _judge(tally, "crash to first answer", crashes, MOST_S)
    _judge(tally, "planned move, without an answer", planned, PLANNED_S)
    return tally


@contextmanager
def _ground(folder: Path) -> Iterator[Ground]:
    """The hosts, each with a small disk of its own."""
    with three_hosts(folder, 'rejoin = "automatic"\nrejoin_limit = 0', starts=False) as ground:
        try:
            for host in ground.hosts.values():
                mounted_small(host)
                host.start()
            yield ground
        finally:
            for process in ground.background:
                process.kill()
                process.wait()
            for host in ground.hosts.values():
                unmounted(host)


def _trial(ground: Ground, fault: Fault, random: Random, tally: Tally) -> float | None:
    """One fault; how long nobody answered where it moved, None otherwise."""
    name = ground.wait_well()
    if not name:
        tally.lost.append(f"before '{fault.name}' the three were not well")
        return None
    other = next(each for each in HEADS if each != name)
    hosts = ground.hosts
    scene = Scene(ground, hosts[name], hosts[other], hosts["witness"], random)
    with observing(ground.observer, VIRTUAL) as observer:
        time.sleep(BEFORE_S)
        began = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        try:
            fault.do(scene)
            time.sleep(fault.lasts_s + random.random() * fault.spread_s)
        finally:
            fault.undo(scene)
        time.sleep(AFTER_S)
        now = ground.wait_active(*HEADS)
        runs = observer.stop()
    tally.count(fault.name)
    found = _faults(runs, scene, fault, now)
    tally.lost += [f"{fault.name} ({name}): {each}" for each in found]
    return _silence_s(runs, scene, began)


def _faults(runs: list[Run], scene: Scene, fault: Fault, now: str) -> list[str]:
    """What broke a promise, in words."""
    found = []
    for kind in ("arp", "echo"):
        macs = [run.mac for run in runs if run.kind == kind]
        if macs not in ([scene.active.mac], [scene.active.mac, scene.other.mac]):
            found.append(f"{kind} was answered by {macs}")
    if not now:
        found.append("afterwards nobody is active")
    has_moved = now == scene.other.name
    if fault.outcome == "moves" and not has_moved:
        found.append(f"the {scene.other.name} did not take over")
    if fault.outcome == "ends" and _longest_silence_s(runs) < SILENT_S:
        found.append("the address did not fall silent, with nobody to grant the lease")
    if fault.outcome == "stays" and has_moved:
        found.append(f"the {scene.other.name} took over")
    return found


def _longest_silence_s(runs: list[Run]) -> float:
    """Between two echoes, from the same head or from one and the next."""
    echoes = [run for run in runs if run.kind == "echo"]
    between = (after.first_ns - before.last_ns for before, after in pairwise(echoes))
    return max([run.longest_ns for run in echoes] + list(between), default=0) / 1e9


def _silence_s(runs: list[Run], scene: Scene, began: int) -> float | None:
    """From the fault, or from the last answer if that was later, to the new head's first echo."""
    echoes = [run for run in runs if run.kind == "echo"]
    new = [run for run in echoes if run.mac == scene.other.mac]
    old = [run for run in echoes if run.mac == scene.active.mac]
    if not new or not old:
        return None
    return (new[0].first_ns - max(began, old[0].last_ns)) / 1e9


def _judge(tally: Tally, what: str, times_s: list[float], most_s: float) -> None:
    if not times_s:
        return
    tally.count(f"ms: {what}, median", round(median(times_s) * 1000))
    tally.count(f"ms: {what}, worst", round(max(times_s) * 1000))
    tally.expect(max(times_s) <= most_s, f"{what}: {max(times_s):.3f} s, more than {most_s} s")
