"""When a head may write shared data, with real programs as fence and services."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from haoscar_pxe.config_failover import ActiveService
from haoscar_pxe.errors import FailoverError
from haoscar_pxe.monitor import writing
from haoscar_pxe.monitor.fencing import Fence
from haoscar_pxe.monitor.history import History
from haoscar_pxe.monitor.lease import Member
from haoscar_pxe.monitor.reports import PeerReport, Report
from haoscar_pxe.monitor.services import Services
from haoscar_pxe.monitor.writing import Writing, stop_writing

STOPPED = PeerReport(Member.PRIMARY, True, (1,), is_stopped=True)


@dataclass
class Head:
    """The standby, active in epoch 7. fence: the program that takes the primary's power away."""

    folder: Path
    fence: tuple[str, ...] = ()
    report: Report = field(default=Report(True, 7, Member.STANDBY, "", 7))

    def __post_init__(self) -> None:
        self.history = History(self.folder, "standby", ())
        fence = Fence(self.fence, 5, self.history)
        self.writing = Writing(Member.STANDBY, fence, self.history, lambda: self.report)
        self.writing.reign = 7
        database = ActiveService("database", start=("true",), stop=("false",), timeout_s=1)
        self.services = Services([database], self.history, self.writing.is_safe)

    def hears(self, other: PeerReport) -> None:
        """The primary's last word."""
        self.report = Report(True, 7, Member.STANDBY, "", 7, peers=(other,))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait a second for a word that does not come."""
    monkeypatch.setattr(writing, "WORD_S", 0.0)


def test_the_other_heads_fresh_word_that_it_stopped_is_enough(tmp_path: Path) -> None:
    head = Head(tmp_path)
    assert not head.writing.is_safe()
    head.hears(STOPPED)
    assert head.writing.is_safe()


@pytest.mark.parametrize(
    "other",
    [
        PeerReport(Member.PRIMARY, False, (1,), is_stopped=True),
        PeerReport(Member.PRIMARY, True, (1,), is_stopped=False),
        PeerReport(Member.PRIMARY, True, (1,), is_stopped=True, is_active=True),
        PeerReport(Member.WITNESS, True, (1,), is_stopped=True),
    ],
)
def test_an_old_word_or_another_one_is_not(tmp_path: Path, other: PeerReport) -> None:
    head = Head(tmp_path)
    head.hears(other)
    assert not head.writing.is_safe()


async def test_a_fence_makes_this_tenure_safe_and_no_later_one(tmp_path: Path) -> None:
    head = Head(tmp_path, fence=("true",))
    await head.writing.make_safe(7, head.services)
    assert head.writing.is_safe()
    head.writing.reign = 9
    assert not head.writing.is_safe()


async def test_a_fence_that_fails_makes_nothing_safe(tmp_path: Path) -> None:
    head = Head(tmp_path, fence=("false",))
    await head.writing.make_safe(7, head.services)
    assert not head.writing.is_safe()


async def test_nobody_is_fenced_after_the_word_or_for_an_earlier_tenure(tmp_path: Path) -> None:
    head = Head(tmp_path, fence=("touch", str(tmp_path / "fenced")))
    await head.writing.make_safe(5, head.services)
    head.hears(STOPPED)
    await head.writing.make_safe(7, head.services)
    assert not (tmp_path / "fenced").exists()


async def test_without_a_fence_people_are_told_once(tmp_path: Path) -> None:
    head = Head(tmp_path)
    await head.writing.make_safe(7, head.services)
    (event,) = head.history.events()
    assert (event.what, event.level) == ("not started", "alert")


async def test_what_does_not_stop_keeps_everything_here(tmp_path: Path) -> None:
    head = Head(tmp_path)
    with pytest.raises(FailoverError, match="nothing is moved"):
        await stop_writing(head.services, 0.05)
