"""How often a head comes back by itself, and when the primary has been well for long enough."""

from __future__ import annotations

from haoscar_pxe.monitor.returning import Steadiness, recent


def test_returns_count_for_their_window_alone() -> None:
    assert recent((100, 800, 950), 1000, 200) == (950,)
    assert recent((100, 801, 950), 1000, 200) == (801, 950)


def test_a_clock_that_jumped_forgets_what_it_cannot_date() -> None:
    assert recent((10_000,), 1000, 200) == ()


def test_a_primary_is_steady_only_after_the_whole_time() -> None:
    steady = Steadiness().seen(10.0, could=True).seen(60.0, could=True)
    assert not steady.lasts(69.9, 60.0)
    assert steady.lasts(70.0, 60.0)


def test_one_bad_look_begins_anew() -> None:
    steady = Steadiness().seen(10.0, could=True).seen(60.0, could=False)
    assert not steady.lasts(1000.0, 60.0)
    assert not steady.seen(1000.0, could=True).lasts(1059.0, 60.0)
    assert not Steadiness().lasts(1000.0, 0.0)
