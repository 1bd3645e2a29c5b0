"""How much of each part is done: the short form of every test run, and the long form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Amounts:
    """Cases of each part.

    point_step: every point_step-th system call and fault is taken (1: all of them).
    reading_points: also calls that only read. flips: bits flipped, 0 for every single one.
    failovers: of each fault of the failover campaign.
    together_s: seconds for which everything runs at once.
    datagrams: hostile ones to the boot server. strangers: MACs that were invented for it.
    """

    killed_captures: int
    killed_restores: int
    killed_prunes: int
    killed_syncs: int
    killed_mirrors: int
    point_step: int
    reading_points: bool
    short_writes: int
    flips: int
    damages: int
    hostile_cases: int
    many_entries: int
    transfers: int
    together_s: float
    full_disks: int
    lease_states: int
    lease_walks: int
    failovers: int
    datagrams: int
    strangers: int


SHORT: Final = Amounts(
    killed_captures=20,
    killed_restores=10,
    killed_prunes=10,
    killed_syncs=15,
    killed_mirrors=20,
    point_step=7,
    reading_points=False,
    short_writes=8,
    flips=300,
    damages=100,
    hostile_cases=300,
    many_entries=100_000,
    transfers=20,
    together_s=3.0,
    full_disks=3,
    lease_states=60_000,
    lease_walks=100,
    failovers=1,
    datagrams=12_000,
    strangers=8_500,
)
LONG: Final = Amounts(
    killed_captures=1_000,
    killed_restores=500,
    killed_prunes=300,
    killed_syncs=500,
    killed_mirrors=500,
    point_step=1,
    reading_points=True,
    short_writes=300,
    flips=0,
    damages=10_000,
    hostile_cases=20_000,
    many_entries=1_000_000,
    transfers=1_000,
    together_s=60.0,
    full_disks=200,
    lease_states=1_500_000,
    lease_walks=10_000,
    failovers=150,
    datagrams=1_000_000,
    strangers=100_000,
)
