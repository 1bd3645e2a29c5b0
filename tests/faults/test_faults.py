"""The short form of every part of `./run faults`, in every test run; the long form is a command."""

from __future__ import annotations

import pytest

from tests.faults.amounts import SHORT
from tests.faults.campaign import PARTS, run_part
from tests.needed import need

SEED = 1


@pytest.mark.parametrize("part", PARTS)
def test_nothing_is_lost(part: str) -> None:
    if part in ("syscalls", "full"):
        need("strace")
    tally = run_part(part, SEED, SHORT)
    assert tally.lost == []
    assert sum(tally.counts.values()) > 0
