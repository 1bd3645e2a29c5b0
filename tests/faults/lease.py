"""The lease of the failover monitor, through all its states and along long ways at random."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.faults.amounts import Amounts
from tests.faults.tally import Tally
from tests.lease.explore import Explored, explore, wander
from tests.lease.world import Bounds, Rules

STEPS = 150


def lease(folder: Path, random: Random, amounts: Amounts) -> Tally:
    """Nothing is written to the folder."""
    tally = Tally("lease")
    states = explore(Rules(), Bounds(), amounts.lease_states)
    _note(tally, states, "states, each once")
    far = Bounds(epochs=30, letters=4, repeats=30, restarts=10, fast_clocks=10)
    ways = wander(Rules(), far, amounts.lease_walks, STEPS, random.randrange(1 << 32))
    _note(tally, ways, f"steps at random, {STEPS} on a way")
    return tally


def _note(tally: Tally, found: Explored, what: str) -> None:
    tally.count(what, found.states)
    tally.expect(not found.fault, f"{found.fault}, by {' / '.join(found.path)}")
