"""How far each standby is behind its primary: its recovery point, in seconds and in bytes. Pure.

If the primary died now and a standby took over, what had changed since its generation was captured
would be lost: the age of that generation is the recovery point. How far it is behind the newest
generation is what a sync would bring.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from haoscar_pxe.nodes.node import Node, NodeState

Standing: TypeAlias = Literal["current", "behind", "pinned", "not installed", "unknown"]
"""pinned: kept at an older generation by word. unknown: its generation is gone from the repository,
or its image is."""


@dataclass(frozen=True, slots=True)
class Captured:
    """One generation there is. created_ns: when its capture began, nanoseconds since 1970."""

    generation: int
    created_ns: int


@dataclass(frozen=True, slots=True)
class Staleness:
    """How one node stands. All but node, image, state and standing are None where not known.

    has: the generation it is. recovery_point_s: what would be lost if it took over now.
    behind_generations, behind_s: between its generation and the newest.
    """

    node: str
    image: str
    state: NodeState
    standing: Standing
    has: int | None = None
    newest: int | None = None
    recovery_point_s: float | None = None
    behind_generations: int | None = None
    behind_s: float | None = None


def staleness(node: Node, image: Iterable[Captured], now_ns: int) -> Staleness:
    """How the node stands. image: the generations of its image, none if there is no such image."""
    by_number = {each.generation: each for each in image}
    newest = max(by_number, default=None)
    is_installed = node.state is NodeState.INSTALLED
    has = node.ordered_generation if is_installed else None
    own = by_number.get(has) if has is not None else None
    if newest is None or own is None:
        standing: Standing = "unknown" if is_installed else "not installed"
        return Staleness(node.name, node.image, node.state, standing, has, newest)
    behind = sum(own.generation < number for number in by_number)
    return Staleness(
        node=node.name,
        image=node.image,
        state=node.state,
        standing=_standing(node, behind),
        has=has,
        newest=newest,
        recovery_point_s=max(0.0, (now_ns - own.created_ns) / 1e9),
        behind_generations=behind,
        behind_s=max(0.0, (by_number[newest].created_ns - own.created_ns) / 1e9),
    )


def _standing(node: Node, behind: int) -> Standing:
    if behind == 0:
        return "current"
    return "pinned" if node.generation == node.ordered_generation else "behind"


def complaints(nodes: Iterable[Staleness], max_age_s: float | None) -> list[str]:
    """What is not as it should be, a line each: nobody ready, or behind, or too old by max_age_s.

    A standby that was not behind when the capture ended is complained of only for its age.
    """
    found = []
    for each in nodes:
        if each.standing in ("not installed", "unknown"):
            found.append(f"{each.node} is not ready to take over: {each.state}, {each.standing}")
        elif max_age_s is not None and (each.recovery_point_s or 0) > max_age_s:
            found.append(
                f"{each.node} would lose {each.recovery_point_s:.0f} s, more than {max_age_s:.0f} s"
            )
        elif max_age_s is None and each.standing == "behind":
            found.append(f"{each.node} is {each.behind_generations} generation(s) behind")
    return found
