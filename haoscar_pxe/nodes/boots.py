"""A node's boots, one after the other: what the server saw and what the node reported. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from haoscar_pxe.nodes.order import Step
from haoscar_pxe.nodes.registry import RecordedEvent
from haoscar_pxe.nodes.timeline import Happening

PAUSE_NS: Final = 300 * 10**9
"""Firmware and iPXE of one boot follow each other within seconds."""
_ENDS: Final = (Step.INSTALLED, Step.FAILED)


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of a boot. what: a word or two; rate: bytes a second, None where nothing is sent."""

    at_ns: int
    what: str
    message: str
    size_bytes: int | None = None
    took_s: float = 0.0
    percent: float | None = None
    detail: str = ""

    @property
    def rate(self) -> float | None:
        """Bytes a second, None if nothing was sent or in no time that was measured."""
        return self.size_bytes / self.took_s if self.size_bytes and self.took_s > 0 else None


@dataclass(frozen=True, slots=True)
class Boot:
    """A boot from its first question on. outcome: how it ended, or what it did last."""

    moments: tuple[Moment, ...]
    outcome: str


def condensed(moments: Sequence[Moment]) -> list[Moment]:
    """A step that moves on from percent to percent as one line, its last one.

    >>> steps = [Moment(at, "restore", "", percent=at) for at in (1, 9)]
    >>> [each.percent for each in condensed(steps)]
    [9]
    """
    kept: list[Moment] = []
    for moment in moments:
        if kept and moment.percent is not None and kept[-1].what == moment.what:
            kept.pop()
        kept.append(moment)
    return kept


def boots_of(happenings: Sequence[Happening], events: Sequence[RecordedEvent]) -> list[Boot]:
    """All boots that are known, oldest first.

    A boot begins when the firmware asks and was not asking already, or when iPXE, which may be the
    firmware, asks after a pause. An installation's events belong to the boot before them.
    """
    moments = sorted(
        [_seen(each) for each in happenings] + [_reported(each) for each in events],
        key=lambda each: each.at_ns,
    )
    boots: list[list[Moment]] = []
    for moment in moments:
        if not boots or _begins(moment, boots[-1]):
            boots.append([])
        boots[-1].append(moment)
    return [Boot(tuple(each), _outcome(each)) for each in boots]


def _begins(moment: Moment, before: list[Moment]) -> bool:
    if moment.at_ns - before[-1].at_ns > PAUSE_NS and moment.what in (
        "firmware asked",
        "iPXE asked",
    ):
        return True
    asks_still = all(each.what == "firmware asked" for each in before)
    return moment.what == "firmware asked" and not asks_still


def _seen(happening: Happening) -> Moment:
    return Moment(
        at_ns=happening.at_ns,
        what=happening.kind,
        message=happening.message,
        size_bytes=happening.size_bytes,
        took_s=happening.took_s,
    )


def _reported(recorded: RecordedEvent) -> Moment:
    event = recorded.event
    return Moment(
        at_ns=recorded.at_ns,
        what=event.step.value,
        message=event.message,
        percent=event.percent,
        detail=event.detail,
    )


def _outcome(moments: list[Moment]) -> str:
    """How it ended, in words.

    >>> _outcome([Moment(0, "iPXE asked", ""), Moment(1, "decided", "local disk: n is installed")])
    'local disk: n is installed'
    """
    for moment in reversed(moments):
        if moment.what in _ENDS:
            return f"{moment.what}: {moment.message}" if moment.message else moment.what
    steps = [each for each in moments if each.what in list(Step)]
    decided = [each for each in moments if each.what == "decided"]
    if steps:
        percent = "" if steps[-1].percent is None else f" ({steps[-1].percent:.0f} %)"
        return f"not done: {steps[-1].what}{percent} was the last step heard of"
    if decided and not decided[-1].message.startswith("install"):
        return decided[-1].message
    last = moments[-1]
    return f"not done: the last thing was '{last.what} {last.message}'"
