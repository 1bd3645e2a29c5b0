"""What the installation tells, as it happens: lines on the console, events to the server.

Events leave through a thread of their own, in their order, so that a server that went away never
holds up the installation; percentages that nobody has heard yet give way to newer ones.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final, TextIO

import msgspec

from haoscar_pxe.install.server import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    Server,
    ServerRefusedError,
    UnheardError,
)
from haoscar_pxe.nodes.order import NodeEvent, Step

QUEUED_EVENTS: Final = 1000
DETAIL_CHARS: Final = 64_000
CONSOLE_PERCENT: Final = 10
"""A console may be a serial line of 9600 baud: not every percent is a line there."""


class Console:
    """The machine's consoles: every line goes to each of them, with the seconds since the start."""

    def __init__(self, streams: Sequence[TextIO]) -> None:
        self._streams = streams
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        """Write lines. A console that cannot be written to is nobody's reason to stop."""
        stamp = f"[{time.monotonic() - self._start:7.1f} s] "
        for line in text.splitlines():
            for stream in self._streams:
                try:
                    stream.write(f"{stamp}{line}\r\n")
                    stream.flush()
                except OSError:
                    continue


class Reporter:
    """Tells the console at once, and the server as soon as it listens.

    Until `trust` has brought the order's token nothing can be sent, and events wait.
    """

    def __init__(self, mac: str, server: Server, console: Console) -> None:
        self._mac = mac
        self._server = server
        self._console = console
        self._token = ""
        self._queue: deque[NodeEvent] = deque(maxlen=QUEUED_EVENTS)
        self._changed = threading.Condition()
        self._sending = False
        self._shown_percent = 0
        threading.Thread(target=self._send_all, daemon=True, name="events").start()

    def trust(self, token: str) -> None:
        """Send what waits, and all that comes, with this token."""
        with self._changed:
            self._token = token
            self._changed.notify_all()

    def say(self, step: Step, message: str, detail: str = "") -> None:
        """A step began, or something in it is worth knowing."""
        self._shown_percent = 0
        self._console.say(f"{step.value}: {message}" + (f"\n{detail}" if detail else ""))
        self._enqueue(self._event(step, message, detail=detail))

    def percent(self, step: Step, percent: float, message: str) -> None:
        """A step moved on; percent: 0..100."""
        if percent >= self._shown_percent + CONSOLE_PERCENT:
            self._shown_percent = int(percent) // CONSOLE_PERCENT * CONSOLE_PERCENT
            self._console.say(f"{step.value}: {percent:.0f} %, {message}")
        self._enqueue(self._event(step, message, percent=percent))

    def flush(self, patience_s: float) -> bool:
        """Wait until the server has heard everything; False if it did not within patience_s."""
        deadline = time.monotonic() + patience_s
        with self._changed:
            while self._token and (self._queue or self._sending):
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    return False
                self._changed.wait(left_s)
            return bool(self._token)

    def _event(
        self, step: Step, message: str, *, percent: float | None = None, detail: str = ""
    ) -> NodeEvent:
        kept = detail[:DETAIL_CHARS]
        return NodeEvent(mac=self._mac, step=step, percent=percent, message=message, detail=kept)

    def _enqueue(self, event: NodeEvent) -> None:
        with self._changed:
            last = self._queue[-1] if self._queue else None
            if last and event.percent is not None and last.percent is not None:
                self._queue.pop()
            self._queue.append(event)
            self._changed.notify_all()

    def _send_all(self) -> None:
        while True:
            with self._changed:
                while not (self._token and self._queue):
                    self._changed.wait()
                event = self._queue.popleft()
                self._sending = True
            self._send(event)
            with self._changed:
                self._sending = False
                self._changed.notify_all()

    def _send(self, event: NodeEvent) -> None:
        """Send until it was heard, or refused: an event is only a message, the order stands."""
        body = msgspec.json.encode(event)
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                self._server.send_event(self._token, body)
                return
            except UnheardError:
                time.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            except ServerRefusedError as error:
                self._console.say(f"the server did not take the event '{event.step}': {error}")
                return


class RestoreProgress:
    """Counts what was laid down, and tells it at most twice a second."""

    INTERVAL_S: Final = 0.5

    def __init__(self, reporter: Reporter, total_bytes: int, total_entries: int) -> None:
        self._reporter = reporter
        self._total_bytes = total_bytes
        self._total_entries = total_entries
        self._bytes = 0
        self._entries = 0
        self._start = self._told = time.monotonic()

    def expect(self, total_bytes: int) -> None:
        """Correct how much content there is."""
        self._total_bytes = total_bytes

    def advance(self, size_bytes: int, entries: int = 1) -> None:
        """So much more is on the disk."""
        self._bytes += size_bytes
        self._entries += entries
        now = time.monotonic()
        if now >= self._told + self.INTERVAL_S:
            self._told = now
            self._reporter.percent(Step.RESTORE, self.percent(), self.describe())

    def percent(self) -> float:
        """Of bytes and entries together: many small files take as long as a large one.

        A folder or an empty file counts as one block of 4096 bytes.
        """
        total = self._total_bytes + self._total_entries * 4096
        done = self._bytes + self._entries * 4096
        return round(min(100.0, 100.0 * done / total), 1) if total else 100.0

    def describe(self) -> str:
        """How much there is, and how fast it came."""
        seconds = max(time.monotonic() - self._start, 0.001)
        rate = self._bytes / seconds / 1e6
        return f"{self._entries} entries, {self._bytes / 1e6:.0f} MB at {rate:.0f} MB/s"
