"""What follows from the results of a check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from haoscar_pxe.config_failover import ServiceCheck
from haoscar_pxe.monitor.health import Act, Health, Result

CHECK = ServiceCheck("web", tcp="127.0.0.1:80", failures=2, restarts=2, window_s=100)
WELL, FAILED, UNKNOWN = Result


def acts(results: Iterable[Result], check: ServiceCheck = CHECK, every_s: float = 5) -> list[str]:
    """What is done after each result; "" for nothing."""
    health, done = Health(check), []
    for number, result in enumerate(results):
        health, act = health.seen(result, number * every_s)
        done.append("" if act is Act.NOTHING else act.value)
    return done


def test_one_failure_between_good_results_is_nothing() -> None:
    assert acts([WELL, FAILED, WELL, FAILED, WELL]) == [""] * 5


def test_it_is_started_again_then_told_then_moved_and_each_once() -> None:
    done = acts([FAILED] * 9)
    assert done == ["", "restart", "", "restart", "", "alert", "move", "", ""]


def test_a_service_that_is_not_to_move_stays() -> None:
    assert "move" not in acts([FAILED] * 12, replace(CHECK, moves=False))


def test_restarts_are_counted_within_their_window_alone() -> None:
    assert acts([FAILED] * 8, every_s=60).count("restart") == 4


def test_once_it_is_well_a_new_failure_is_told_again() -> None:
    results = [*[FAILED] * 7, WELL, *[FAILED] * 3]
    assert acts(results)[8:] == ["", "alert", "move"]


def test_no_answer_is_not_a_failure_and_is_told_once() -> None:
    assert acts([UNKNOWN] * 6) == ["", "alert", "", "", "", ""]
    assert acts([FAILED, UNKNOWN, FAILED, UNKNOWN]) == [""] * 4
