"""Every rule keeps what it says, for the reason it gives, and nothing that is needed goes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.image.retention import Candidate, RetentionPolicy, Verdict, judge

NOTHING = RetentionPolicy(0, 0, 0, 0)
BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000_000


def every(hours: float, count: int, image: str = "primary") -> list[Candidate]:
    """Generations 1 … count, so many hours apart."""
    return [
        Candidate(image, number + 1, at(BEGIN + timedelta(hours=hours * number)))
        for number in range(count)
    ]


def kept(verdicts: list[Verdict]) -> dict[int, str]:
    return {each.generation: each.reason for each in verdicts if each.is_kept}


@pytest.mark.parametrize(
    ("policy", "hours", "count", "numbers"),
    [
        (RetentionPolicy(3, 0, 0, 0), 1, 10, [8, 9, 10]),
        (RetentionPolicy(30, 0, 0, 0), 1, 3, [1, 2, 3]),
        # Noon of the first of January, then every six hours: 12 18 | 0 6 12 18 | 0 6 12 18 | …
        (RetentionPolicy(0, 2, 0, 0), 6, 12, [10, 12]),
        # Thursday is the first; the weeks end with Sunday the 4th, 11th, 18th.
        (RetentionPolicy(0, 0, 3, 0), 24, 20, [11, 18, 20]),
        (RetentionPolicy(0, 0, 0, 2), 24, 70, [59, 70]),
        (RetentionPolicy(1, 2, 1, 1), 24, 40, [39, 40]),
    ],
)
def test_each_rule_keeps_the_newest_of_its_periods(
    policy: RetentionPolicy, hours: float, count: int, numbers: list[int]
) -> None:
    assert list(kept(judge(every(hours, count), policy, UTC, protected={}))) == numbers


def test_a_kept_generation_says_which_rules_keep_it() -> None:
    found = kept(judge(every(24, 9), RetentionPolicy(2, 1, 1, 0), UTC, protected={}))
    assert found == {8: "2 of the last 2", 9: "the newest"}
    found = kept(judge(every(24, 9), RetentionPolicy(0, 2, 0, 0), UTC, protected={}))
    assert found[8] == "the day 2026-01-08"


def test_days_begin_where_the_site_is() -> None:
    """18:00 in UTC is the next day ten hours to the east."""
    generations = every(6, 2)
    rule = RetentionPolicy(0, 9, 0, 0)
    assert list(kept(judge(generations, rule, UTC, protected={}))) == [2]
    east = timezone(timedelta(hours=10))
    assert list(kept(judge(generations, rule, east, protected={}))) == [1, 2]


def test_a_month_without_captures_costs_nothing() -> None:
    old, new = every(24, 5), [Candidate("primary", 6, at(BEGIN + timedelta(days=300)))]
    found = kept(judge([*old, *new], RetentionPolicy(0, 3, 0, 0), UTC, protected={}))
    assert list(found) == [4, 5, 6]


def test_without_any_rule_everything_is_kept() -> None:
    found = judge(every(1, 4), NOTHING, UTC, protected={})
    assert [each.is_kept for each in found] == [True] * 4
    assert found[0].reason == "no rule of retention is set"


def test_images_are_judged_apart() -> None:
    both = [*every(1, 3), *every(1, 2, "login")]
    found = judge(both, RetentionPolicy(1, 0, 0, 0), UTC, protected={})
    assert [each.key for each in found if each.is_kept] == [("primary", 3), ("login", 2)]


def test_what_a_node_needs_is_kept_with_the_nodes_name() -> None:
    protected = {("primary", 2): "node standby is pinned to it"}
    found = kept(judge(every(1, 5), RetentionPolicy(1, 0, 0, 0), UTC, protected=protected))
    assert found == {2: "node standby is pinned to it", 5: "the newest"}


def test_a_dropped_generation_goes_unless_it_is_needed() -> None:
    dropped = [("primary", number) for number in (1, 2, 3)]
    found = kept(
        judge(every(1, 3), NOTHING, UTC, protected={("primary", 2): "node a"}, dropped=dropped)
    )
    assert list(found) == [2, 3]


def test_what_cannot_be_read_is_kept_and_counts_for_no_rule() -> None:
    generations = [*every(1, 3), Candidate("primary", 4, None), Candidate("primary", 5, None)]
    found = kept(judge(generations, RetentionPolicy(1, 0, 0, 0), UTC, protected={}))
    assert found == {
        3: "the newest that can be read",
        4: "its manifest cannot be read",
        5: "the newest",
    }
    dropped = [("primary", 4), ("primary", 5), ("primary", 3)]
    found = kept(judge(generations, NOTHING, UTC, protected={}, dropped=dropped))
    assert 4 not in found
    assert {3, 5} <= set(found)


def test_a_clock_that_went_back_does_not_make_an_old_generation_the_newest() -> None:
    backwards = [Candidate("primary", n, at(BEGIN - timedelta(days=n))) for n in (1, 2, 3)]
    assert list(kept(judge(backwards, RetentionPolicy(1, 0, 0, 0), UTC, protected={}))) == [3]


counts = st.integers(0, 5)


@given(
    ages=st.lists(st.integers(0, 2000), min_size=1, max_size=40),
    policy=st.builds(RetentionPolicy, counts, counts, counts, counts),
)
def test_the_newest_is_always_kept_and_a_second_prune_deletes_nothing(
    ages: list[int], policy: RetentionPolicy
) -> None:
    generations = [
        Candidate("primary", number, at(BEGIN + timedelta(hours=age)))
        for number, age in enumerate(sorted(ages), 1)
    ]
    verdicts = judge(generations, policy, UTC, protected={})
    assert verdicts[-1].is_kept
    rest = [each for each, found in zip(generations, verdicts, strict=True) if found.is_kept]
    assert all(each.is_kept for each in judge(rest, policy, UTC, protected={}))
