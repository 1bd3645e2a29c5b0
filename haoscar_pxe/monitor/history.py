"""What happened to a member: one line of JSON for each event, with its reason in words.

<state>/events.jsonl, and events.jsonl.1 with what was before. An event that cannot be written is
logged and goes to the alert program all the same.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from haoscar_pxe.monitor.event import Event, Level
from haoscar_pxe.monitor.letter import SENDMAIL, is_mailed, letter

log = logging.getLogger(__name__)

LARGEST_BYTES: Final = 1 << 20
KEPT: Final = 500
ALERT_S: Final = 2.0


class History:
    """The events of one member. alert: a program with its arguments, or nothing.

    mail: to whom letters go, if to anybody.
    """

    def __init__(
        self, folder: Path, member: str, alert: Sequence[str], mail: Sequence[str] = ()
    ) -> None:
        self._path = folder / "events.jsonl"
        self._member = member
        self._alert = tuple(alert)
        self._mail = tuple(mail)
        self._alerting: list[subprocess.Popen[bytes]] = []

    def note(self, what: str, reason: str, epoch: int = 0, level: Level = "note") -> None:
        """Record that something happened, and tell the alert program."""
        event = Event(time.time_ns(), self._member, what, reason, epoch, level)
        log.log(logging.WARNING if level == "alert" else logging.INFO, "%s: %s", what, reason)
        line = msgspec.json.encode(event) + b"\n"
        try:
            self._append(line)
        except OSError as error:
            log.error("cannot write %s: %s", self._path, error.strerror)
        if self._alert:
            self._tell(self._alert, line)
        if self._mail and is_mailed(event):
            self._tell(SENDMAIL, letter(event, self._mail, socket.gethostname()))

    def close(self) -> None:
        """Let alert programs that still run end, for ALERT_S; they are not killed."""
        until = time.monotonic() + ALERT_S
        for each in self._alerting:
            with suppress(subprocess.TimeoutExpired):
                each.wait(max(0.0, until - time.monotonic()))

    def events(self) -> list[Event]:
        """The last KEPT events, the oldest first."""
        return read_events(self._path.parent)

    def _append(self, line: bytes) -> None:
        with suppress(FileNotFoundError):
            if self._path.stat().st_size > LARGEST_BYTES:
                self._path.rename(self._path.with_name("events.jsonl.1"))
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, line)
        finally:
            os.close(fd)

    def _tell(self, argv: Sequence[str], text: bytes) -> None:
        """Start a program that tells people; it is not waited for, and may hang."""
        self._alerting = [each for each in self._alerting if each.poll() is None]
        try:
            told = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            log.error("cannot start the alert program %s: %s", argv[0], error.strerror)
            return
        assert told.stdin is not None
        with suppress(BrokenPipeError), told.stdin:
            told.stdin.write(text)
        self._alerting.append(told)


def read_events(folder: Path) -> list[Event]:
    """The last KEPT events in a member's state folder; lines that are damaged are passed over."""
    found: deque[Event] = deque(maxlen=KEPT)
    for name in ("events.jsonl.1", "events.jsonl"):
        with suppress(FileNotFoundError), (folder / name).open("rb") as file:
            for line in file:
                with suppress(msgspec.MsgspecError):
                    found.append(msgspec.json.decode(line, type=Event))
    return list(found)
