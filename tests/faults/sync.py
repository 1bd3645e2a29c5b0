"""Part "sync": a standby becomes the next generation, killed or failing at any moment."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.faults.amounts import Amounts
from tests.faults.kill import kill_at_random
from tests.faults.syncing import Syncing
from tests.faults.syscalls import disturb_all
from tests.faults.tally import Tally


def sync(folder: Path, dice: Random, amounts: Amounts) -> Tally:
    """Kill whole syncs and their ends at random, then disturb their system calls."""
    tally = Tally("sync")
    for starts_committed in (False, True):
        large = _scenario(folder / f"large-{starts_committed}", dice, 200, starts_committed)
        kill_at_random(large, folder, dice, amounts.killed_syncs, tally)
        small = _scenario(folder / f"small-{starts_committed}", dice, 9, starts_committed)
        disturb_all(small, folder, amounts, tally)
    return tally


def _scenario(folder: Path, dice: Random, files: int, starts_committed: bool) -> Syncing:
    folder.mkdir()
    return Syncing(
        folder, dice, files=files, big_bytes=files * 10_000, starts_committed=starts_committed
    )
