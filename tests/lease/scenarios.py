"""Ways through the world that chance does not find soon, step by step, each for a rule it needs."""

from __future__ import annotations

from typing import Final


def _granted(head: str, acceptor: str) -> tuple[str, ...]:
    """A head asks an acceptor, and hears its answer."""
    if head == acceptor:
        return (f"{head} asks {acceptor}",)
    return (
        f"{head} asks {acceptor}",
        f"arrived: {head} to {acceptor}: Ask",
        f"arrived: {acceptor} to {head}: Answer",
    )


def _begun_again(head: str) -> tuple[str, ...]:
    """A head stops and begins, with a higher epoch; its releases are lost."""
    others = [name for name in ("PRIMARY", "STANDBY", "WITNESS") if name != head]
    lost = tuple(f"arrived: {head} to {name}: Release" for name in others)
    return (f"{head} stops", *lost, f"{head} begins")


LEASE_OVER: Final = ("a tick",) * 3

PROMISE_LOST: Final = (
    "PRIMARY begins",
    *_begun_again("PRIMARY"),
    *_granted("PRIMARY", "PRIMARY"),
    *_granted("PRIMARY", "WITNESS"),
    *LEASE_OVER,
    "WITNESS restarts",
    *LEASE_OVER,
    "STANDBY begins",
    *_granted("STANDBY", "STANDBY"),
    *_granted("STANDBY", "WITNESS"),
)
"""The witness forgets the epoch it granted, and grants a lower one to the other head."""

OLD_GRANTS_COUNTED: Final = (
    "STANDBY begins",
    *_granted("STANDBY", "STANDBY"),
    "PRIMARY begins",
    *_begun_again("PRIMARY"),
    *_granted("PRIMARY", "WITNESS"),
    *_granted("STANDBY", "WITNESS"),
    "STANDBY may be overtaken",
    *_granted("STANDBY", "PRIMARY"),
    *LEASE_OVER,
    *_begun_again("PRIMARY"),
    *_granted("PRIMARY", "WITNESS"),
    *_granted("PRIMARY", "STANDBY"),
)
"""Its own acceptor granted epoch 1, the other head's 3: that is a majority for neither."""

OLD_ANSWER_COUNTED: Final = (
    "STANDBY begins",
    "STANDBY asks PRIMARY",
    "arrived: STANDBY to PRIMARY: Ask",
    "PRIMARY begins",
    *_begun_again("PRIMARY"),
    *_granted("PRIMARY", "WITNESS"),
    *_granted("STANDBY", "WITNESS"),
    "STANDBY may be overtaken",
    *_granted("STANDBY", "STANDBY"),
    "arrived: PRIMARY to STANDBY: Answer",
    *LEASE_OVER,
    *_begun_again("PRIMARY"),
    *_granted("PRIMARY", "WITNESS"),
    *_granted("PRIMARY", "PRIMARY"),
)
"""A late answer on epoch 1 makes a majority with a grant of epoch 3."""

RELEASED_LATE: Final = (
    "PRIMARY begins",
    *_granted("PRIMARY", "PRIMARY"),
    *_granted("PRIMARY", "WITNESS"),
    "PRIMARY stops",
    "PRIMARY begins",
    *_granted("PRIMARY", "PRIMARY"),
    *_granted("PRIMARY", "WITNESS"),
    "arrived: PRIMARY to WITNESS: Release",
)
"""A release of the tenure before must not take away what was granted since."""

SCENARIOS: Final = (PROMISE_LOST, OLD_GRANTS_COUNTED, OLD_ANSWER_COUNTED, RELEASED_LATE)
