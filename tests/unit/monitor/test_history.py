"""The events of a member."""

from __future__ import annotations

import time
from pathlib import Path

from haoscar_pxe.monitor.history import KEPT, LARGEST_BYTES, History, read_events


def test_events_are_there_again_in_their_order(tmp_path: Path) -> None:
    history = History(tmp_path, "primary", ())
    history.note("active", "was granted the lease", 5)
    history.note("guard gone", "flushed", level="alert")
    again = read_events(tmp_path)
    assert [(e.member, e.what, e.reason, e.epoch, e.level) for e in again] == [
        ("primary", "active", "was granted the lease", 5, "note"),
        ("primary", "guard gone", "flushed", 0, "alert"),
    ]


def test_a_damaged_line_loses_itself_alone(tmp_path: Path) -> None:
    history = History(tmp_path, "primary", ())
    history.note("one", "first")
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b'{"at_ns": 1, "mem\n')
    history.note("two", "second")
    assert [event.what for event in read_events(tmp_path)] == ["one", "two"]


def test_the_history_does_not_grow_without_bounds(tmp_path: Path) -> None:
    history = History(tmp_path, "primary", ())
    (tmp_path / "events.jsonl").write_bytes(b"x" * LARGEST_BYTES + b"\n")
    history.note("one", "first")
    history.note("two", "second")
    assert (tmp_path / "events.jsonl").stat().st_size < 1000
    assert [event.what for event in read_events(tmp_path)] == ["one", "two"]
    assert KEPT >= 100


def test_the_alert_program_is_told_each_event_and_not_waited_for(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    history = History(tmp_path, "primary", ("sh", "-c", f"cat >> {heard}; sleep 0.2"))
    began = time.monotonic()
    history.note("active", "was granted the lease")
    assert time.monotonic() - began < 0.2
    until = time.monotonic() + 5
    while not (heard.exists() and heard.read_bytes()) and time.monotonic() < until:
        time.sleep(0.01)
    assert b"was granted the lease" in heard.read_bytes()
    history.close()


def test_neither_a_full_disk_nor_a_missing_alert_program_stops_a_monitor(tmp_path: Path) -> None:
    History(tmp_path / "gone", "primary", ("/nonexistent/program",)).note("active", "well")
