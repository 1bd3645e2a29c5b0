"""Breadth first through all states of a world, until one is wrong or enough have been seen."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from tests.lease.world import Bounds, Rules, World, first


@dataclass(frozen=True)
class Explored:
    """What was found. states: different ones looked at. is_whole: there were no more within the
    bounds. fault: of the first wrong state, "" if none was; path: what led to it.
    """

    states: int
    is_whole: bool
    fault: str = ""
    path: tuple[str, ...] = ()


def explore(rules: Rules, bounds: Bounds, most_states: int) -> Explored:
    """Look at up to most_states states; a shortest way to a fault is found first."""
    start = first(rules, bounds)
    came_from: dict[World, tuple[World, str] | None] = {start: None}
    todo = deque([start])
    while todo:
        world = todo.popleft()
        for what, after in world.steps(rules, bounds):
            if after in came_from:
                continue
            came_from[after] = (world, what)
            if fault := after.fault():
                return Explored(len(came_from), False, fault, _path(after, came_from))
            if len(came_from) >= most_states:
                return Explored(len(came_from), False)
            todo.append(after)
    return Explored(len(came_from), True)


def _path(world: World, came_from: dict[World, tuple[World, str] | None]) -> tuple[str, ...]:
    steps: list[str] = []
    while before := came_from[world]:
        world, what = before
        steps.append(what)
    return tuple(reversed(steps))


def wander(rules: Rules, bounds: Bounds, walks: int, steps: int, seed: int) -> Explored:
    """Go so many ways of so many steps at random, deeper than breadth first ever comes.

    A step that changes nothing is none. Ticks are no likelier than anything else, so most of what
    is done happens within one lease.
    """
    chance = random.Random(seed)
    seen = 0
    for _ in range(walks):
        world = first(rules, bounds)
        path: list[str] = []
        for _ in range(steps):
            what, world = chance.choice(list(world.steps(rules, bounds)))
            seen += 1
            path.append(what)
            if fault := world.fault():
                return Explored(seen, False, fault, tuple(path))
    return Explored(seen, False)


def follow(rules: Rules, bounds: Bounds, path: Iterable[str]) -> Explored:
    """Go one way. path: how the steps' names begin, the first that fits is taken each time.

    ValueError if there is no such step: then the way is not one of this world.
    """
    world = first(rules, bounds)
    taken: list[str] = []
    for wanted in path:
        steps = [step for step in world.steps(rules, bounds) if step[0].startswith(wanted)]
        if not steps:
            raise ValueError(f"nothing begins with {wanted!r} after {taken}")
        what, world = steps[0]
        taken.append(what)
        if fault := world.fault():
            return Explored(len(taken), False, fault, tuple(taken))
    return Explored(len(taken), False)
