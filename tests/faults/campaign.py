"""The parts of the campaign, and how one is run: in a folder of its own, from a seed of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

from tests.faults.amounts import Amounts
from tests.faults.damage import damage
from tests.faults.failover import failover
from tests.faults.full import full
from tests.faults.hostile import hostile
from tests.faults.kill import kill
from tests.faults.lease import lease
from tests.faults.mirroring import mirror
from tests.faults.server import server
from tests.faults.sync import sync
from tests.faults.syscalls import syscalls
from tests.faults.tally import Tally
from tests.faults.together import together
from tests.faults.transfers import transfers

Part: TypeAlias = Callable[[Path, Random, Amounts], Tally]

PARTS: Final[dict[str, Part]] = {
    "kill": kill,
    "syscalls": syscalls,
    "full": full,
    "damage": damage,
    "together": together,
    "transfers": transfers,
    "hostile": hostile,
    "sync": sync,
    "mirror": mirror,
    "lease": lease,
    "failover": failover,
    "server": server,
}


def run_part(name: str, seed: int, amounts: Amounts) -> Tally:
    """Run one part; its folder is gone afterwards. The same seed gives the same cases.

    Moments of a kill are the machine's own, whatever the seed.
    """
    with tempfile.TemporaryDirectory(prefix="haoscar-faults-") as folder:
        return PARTS[name](Path(folder), Random(f"{seed} {name}"), amounts)
