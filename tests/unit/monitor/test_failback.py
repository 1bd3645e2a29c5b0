"""A standby that hands over by itself, only after the primary was well for long enough."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from haoscar_pxe.errors import FailoverError
from haoscar_pxe.monitor import failback
from haoscar_pxe.monitor.failback import Failback
from haoscar_pxe.monitor.history import History


class Heads:
    """The two: whether the primary could take over, and the moves that were asked for."""

    def __init__(self, *, could: bool = True, refuses: bool = False) -> None:
        self.could = could
        self.refuses = refuses
        self.moves: list[str] = []

    async def move(self, reason: str) -> str:
        """See Monitor.move."""
        self.moves.append(reason)
        if self.refuses:
            raise FailoverError("nothing is moved")
        self.could = False
        return "moved"


async def kept(heads: Heads, history: History, after_s: float, for_s: float) -> None:
    """Let it look for a while."""
    with suppress(TimeoutError):
        async with asyncio.timeout(for_s):
            await Failback(lambda: heads.could, heads.move, history, after_s).keep()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred looks a second."""
    monkeypatch.setattr(failback, "LOOKS_S", 0.01)


async def test_it_hands_over_once_the_primary_was_well_for_the_time(tmp_path: Path) -> None:
    heads = Heads()
    await kept(heads, History(tmp_path, "standby", ()), 0.05, 0.5)
    assert heads.moves == ["failback: the primary could take over for 0.05 s"]


async def test_it_does_nothing_before_and_nothing_to_a_primary_that_is_not_well(
    tmp_path: Path,
) -> None:
    early, ill = Heads(), Heads(could=False)
    await kept(early, History(tmp_path, "standby", ()), 60, 0.1)
    await kept(ill, History(tmp_path, "standby", ()), 0.01, 0.1)
    assert early.moves == ill.moves == []


async def test_a_refused_move_is_an_alert_and_is_not_tried_at_every_look(tmp_path: Path) -> None:
    heads, history = Heads(refuses=True), History(tmp_path, "standby", ())
    await kept(heads, history, 0.2, 0.5)
    assert 1 <= len(heads.moves) <= 2
    assert {(event.what, event.level) for event in history.events()} == {("not moved", "alert")}
