"""Which generations to keep: a function from what there is to a verdict on each, with its reason.

It opens no file and reads no clock. A period counts by the generations that were made in it: seven
days are the last seven days on which there was a capture, so a head that was off for a month loses
nothing by that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TypeAlias

GenerationKey: TypeAlias = tuple[str, int]
"""Image and number."""


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How many generations of each image stay; 0 where a rule shall keep none.

    keep_last: the newest ones. keep_daily, keep_weekly, keep_monthly: the newest of each of so many
    days, weeks (ISO 8601, from Monday) and months. What any rule keeps is kept; with no rule at all
    everything is.
    """

    keep_last: int = 3
    keep_daily: int = 7
    keep_weekly: int = 4
    keep_monthly: int = 12

    @property
    def is_empty(self) -> bool:
        """Whether no rule keeps anything, which is taken for "do not delete"."""
        return not (self.keep_last or self.keep_daily or self.keep_weekly or self.keep_monthly)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A generation as the rules see it. created_ns: None where its manifest cannot be read."""

    image: str
    generation: int
    created_ns: int | None

    @property
    def key(self) -> GenerationKey:
        """Image and number."""
        return self.image, self.generation


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to become of a generation, and why."""

    image: str
    generation: int
    is_kept: bool
    reason: str

    @property
    def key(self) -> GenerationKey:
        """Image and number."""
        return self.image, self.generation


def judge(
    generations: Sequence[Candidate],
    policy: RetentionPolicy,
    zone: tzinfo,
    *,
    protected: Mapping[GenerationKey, str],
    dropped: Collection[GenerationKey] = (),
) -> list[Verdict]:
    """A verdict on each generation, in the order given.

    zone: where days begin. protected: generations that somebody needs, and who. dropped: those to
    be deleted whatever the rules say; an image's newest, the newest of it that can be read, and
    protected ones are kept even then.
    """
    images = {each.image for each in generations}
    needed: dict[GenerationKey, list[str]] = {}
    ruled: dict[GenerationKey, list[str]] = {}
    for image in images:
        newest_first = sorted(
            (each for each in generations if each.image == image), key=_number, reverse=True
        )
        _note(needed, _always(newest_first))
        _note(ruled, _by_rules(newest_first, policy, zone))
    for key, why in protected.items():
        needed.setdefault(key, []).append(why)
    return [_verdict(each, needed, ruled, policy, dropped) for each in generations]


def _number(each: Candidate) -> int:
    return each.generation


def _note(
    reasons: dict[GenerationKey, list[str]], found: Iterator[tuple[GenerationKey, str]]
) -> None:
    for key, reason in found:
        reasons.setdefault(key, []).append(reason)


def _always(newest_first: Sequence[Candidate]) -> Iterator[tuple[GenerationKey, str]]:
    """The newest: its number is what the next capture counts from, and nodes follow it."""
    yield newest_first[0].key, "the newest"
    readable = next((each for each in newest_first if each.created_ns is not None), None)
    if readable not in (None, newest_first[0]):
        yield readable.key, "the newest that can be read"


def _by_rules(
    newest_first: Sequence[Candidate], policy: RetentionPolicy, zone: tzinfo
) -> Iterator[tuple[GenerationKey, str]]:
    readable = [each for each in newest_first if each.created_ns is not None]
    for number, each in enumerate(readable[: policy.keep_last], 1):
        yield each.key, f"{number} of the last {policy.keep_last}"
    periods: tuple[tuple[int, str, Callable[[datetime], str]], ...] = (
        (policy.keep_daily, "day", lambda at: f"{at:%Y-%m-%d}"),
        (policy.keep_weekly, "week", lambda at: f"{at:%G-W%V}"),
        (policy.keep_monthly, "month", lambda at: f"{at:%Y-%m}"),
    )
    for count, word, period_of in periods:
        newest_of: dict[str, Candidate] = {}
        for each in readable:
            newest_of.setdefault(period_of(_moment(each, zone)), each)
        for period, each in list(newest_of.items())[:count]:
            yield each.key, f"the {word} {period}"


def _moment(each: Candidate, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp((each.created_ns or 0) // 1_000_000_000, zone)


def _verdict(
    each: Candidate,
    needed: Mapping[GenerationKey, Sequence[str]],
    ruled: Mapping[GenerationKey, Sequence[str]],
    policy: RetentionPolicy,
    dropped: Collection[GenerationKey],
) -> Verdict:
    if reasons := needed.get(each.key, ()):
        return Verdict(*each.key, True, ", ".join(reasons))
    if each.key in dropped:
        return Verdict(*each.key, False, "it was named to be dropped")
    if each.created_ns is None:
        return Verdict(*each.key, True, "its manifest cannot be read")
    if policy.is_empty:
        return Verdict(*each.key, True, "no rule of retention is set")
    if reasons := ruled.get(each.key, ()):
        return Verdict(*each.key, True, ", ".join(reasons))
    return Verdict(*each.key, False, "no rule keeps it")
