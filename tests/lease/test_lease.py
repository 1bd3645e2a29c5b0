"""The lease in a hostile world: no fault as it is, one for every rule that is taken away."""

from __future__ import annotations

import pytest

from tests.lease.explore import Explored, explore, follow, wander
from tests.lease.mutants import MUTANTS
from tests.lease.scenarios import SCENARIOS
from tests.lease.world import Bounds, Rules

NEAR = Bounds()
FAR = Bounds(epochs=30, letters=4, repeats=30, restarts=10, fast_clocks=10)
STATES = 20_000
WALKS, STEPS, SEED = 300, 150, 1


def test_no_state_of_the_lease_is_wrong() -> None:
    found = explore(Rules(), NEAR, 3 * STATES)
    assert (found.fault, found.path) == ("", ())
    assert found.states == 3 * STATES


def test_no_long_way_of_the_lease_goes_wrong() -> None:
    found = wander(Rules(), FAR, WALKS, STEPS, SEED)
    assert (found.fault, found.path) == ("", ())


@pytest.mark.parametrize("way", SCENARIOS)
def test_no_hard_way_of_the_lease_goes_wrong(way: tuple[str, ...]) -> None:
    found = follow(Rules(), FAR, way)
    assert (found.fault, found.states) == ("", len(way))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda rules: rules.name)
def test_a_lease_with_one_thing_wrong_is_caught(mutant: Rules) -> None:
    assert caught(mutant).fault


def caught(mutant: Rules) -> Explored:
    """The first fault that is found: by the hard ways, at random, or near the beginning."""
    for way in SCENARIOS:
        try:
            found = follow(mutant, FAR, way)
        except ValueError:  # without that rule the world does not go this way
            continue
        if found.fault:
            return found
    found = wander(mutant, FAR, WALKS, STEPS, SEED)
    return found if found.fault else explore(mutant, NEAR, STATES)
