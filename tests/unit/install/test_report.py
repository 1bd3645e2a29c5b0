"""What an installation tells while it runs, and while nobody listens."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable

import msgspec
import pytest

from haoscar_pxe.install.report import Console, Reporter, RestoreProgress
from haoscar_pxe.install.server import Server, ServerRefusedError, UnheardError
from haoscar_pxe.nodes.order import NodeEvent, Step


def reporter_with(send: Callable[[NodeEvent], None]) -> tuple[Reporter, io.StringIO]:
    class Heard(Server):
        def send_event(self, token: str, body: bytes) -> None:
            assert token == "token"
            send(msgspec.json.decode(body, type=NodeEvent))

    stream = io.StringIO()
    server = Heard("http://nowhere", lambda reason: None)
    return Reporter("52:54:00:00:00:01", server, Console([stream])), stream


def test_events_wait_for_the_token_and_arrive_in_order() -> None:
    heard: list[NodeEvent] = []
    reporter, _ = reporter_with(heard.append)
    reporter.say(Step.STARTED, "here")
    reporter.say(Step.NETWORK, "up")
    assert not reporter.flush(0.05)
    assert heard == []
    reporter.trust("token")
    assert reporter.flush(5)
    assert [event.step for event in heard] == [Step.STARTED, Step.NETWORK]
    assert {event.mac for event in heard} == {"52:54:00:00:00:01"}


def test_percentages_that_nobody_heard_give_way_to_newer_ones() -> None:
    heard: list[NodeEvent] = []
    reporter, _ = reporter_with(heard.append)
    reporter.say(Step.RESTORE, "begins")
    for percent in range(100):
        reporter.percent(Step.RESTORE, float(percent), "")
    reporter.say(Step.IDENTITY, "begins")
    reporter.trust("token")
    assert reporter.flush(5)
    assert [event.percent for event in heard] == [None, 99.0, None]


def test_a_server_that_is_away_never_holds_up_whoever_reports() -> None:
    is_away = threading.Event()
    is_away.set()
    heard: list[NodeEvent] = []

    def send(event: NodeEvent) -> None:
        if is_away.is_set():
            raise UnheardError("away")
        heard.append(event)

    reporter, _ = reporter_with(send)
    reporter.trust("token")
    for number in range(2000):
        reporter.say(Step.RESTORE, str(number))
    assert not reporter.flush(0.05)
    is_away.clear()
    assert reporter.flush(10)
    assert heard[-1].message == "1999"
    assert len(heard) <= 1001


def test_a_refused_event_is_told_on_the_console_and_not_sent_again() -> None:
    tries: list[NodeEvent] = []

    def send(event: NodeEvent) -> None:
        tries.append(event)
        raise ServerRefusedError("/v1/events", 403, "unknown token")

    reporter, stream = reporter_with(send)
    reporter.trust("token")
    reporter.say(Step.PLAN, "x")
    assert reporter.flush(5)
    assert len(tries) == 1
    assert "unknown token" in stream.getvalue()


def test_the_console_shows_every_tenth_percent_and_details_line_by_line() -> None:
    reporter, stream = reporter_with(lambda event: None)
    reporter.say(Step.PLAN, "one disk", "first\nsecond")
    for percent in range(101):
        reporter.percent(Step.RESTORE, float(percent), "so far")
    lines = stream.getvalue().splitlines()
    assert [line.partition("] ")[2] for line in lines[:3]] == ["plan: one disk", "first", "second"]
    assert len(lines) == 3 + 10


def test_a_console_that_cannot_be_written_to_stops_nothing() -> None:
    class Broken(io.StringIO):
        def write(self, text: str, /) -> int:
            raise OSError("gone")

    good = io.StringIO()
    Console([Broken(), good]).say("still here")
    assert "still here" in good.getvalue()


def test_progress_ends_at_one_hundred_and_counts_empty_files_too() -> None:
    reporter, _ = reporter_with(lambda event: None)
    progress = RestoreProgress(reporter, total_bytes=0, total_entries=4)
    for wanted in (25.0, 50.0, 75.0, 100.0):
        progress.advance(0)
        assert progress.percent() == wanted


@pytest.mark.parametrize(("done", "percent"), [(0, 0.0), (4096, 50.0), (8192, 100.0)])
def test_progress_counts_bytes(done: int, percent: float) -> None:
    reporter, _ = reporter_with(lambda event: None)
    progress = RestoreProgress(reporter, total_bytes=8192, total_entries=0)
    progress.advance(done, 0)
    assert progress.percent() == percent
