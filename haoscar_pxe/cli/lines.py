"""Words and lines for people, with the standard library and click alone.

A standby's own command prints with these: it runs from the agent bundle, which has nothing more.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import click

LINE_EVERY_S = 5.0

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size(size_bytes: int) -> str:
    """A size for people.

    >>> size(1536), size(3)
    ('1.5 KiB', '3 B')
    """
    amount = float(size_bytes)
    for unit in _UNITS:
        if amount < 1024 or unit == _UNITS[-1]:
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def path_text(path: bytes) -> str:
    r"""A path as text: absolute, with what is no printable UTF-8 escaped.

    >>> path_text(b"srv/\xff\n")
    '/srv/\\xff\\n'
    """
    text = path.decode("utf-8", "backslashreplace")
    return "/" + "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def moment(at_ns: int) -> str:
    """A time for people, in this machine's own zone.

    >>> len(moment(0))
    19
    """
    return datetime.fromtimestamp(at_ns / 1e9, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table, each column as wide as it needs to be.

    >>> table_lines(["member", "heard"], [["primary", "yes"], ["witness", "NO"]])
    ['member   heard', 'primary  yes', 'witness  NO']
    """
    lines = [columns, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def time_left(total: int | None, done: int, rate: float) -> str:
    """How long the rest takes at the rate so far, as the end of a line; "" where nobody knows.

    >>> time_left(1000, 400, 10.0), time_left(90_000, 0, 10.0), time_left(None, 5, 1.0)
    (', 1:00 left', ', 2:30:00 left', '')
    """
    if not total or rate <= 0 or done >= total:
        return ""
    minutes, seconds = divmod(round((total - done) / rate), 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f", {clock} left"


class Lines:
    """Progress as lines on standard error; its clock starts with the first thing it is told."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._total: int | None = None
        self._bytes = self._entries = 0
        self._said_s = self._began_s = 0.0

    def expect(self, total_bytes: int) -> None:
        """See image.progress.Progress."""
        self._begin()
        self._total = total_bytes

    def advance(self, size_bytes: int, entries: int = 1) -> None:
        """See image.progress.Progress."""
        self._begin()
        self._bytes += size_bytes
        self._entries += entries
        now = time.monotonic()
        if now - self._said_s >= LINE_EVERY_S:
            self._said_s = now
            self._say(now - self._began_s)

    def _begin(self) -> None:
        if not self._began_s:
            self._began_s = self._said_s = time.monotonic()

    def _say(self, elapsed_s: float) -> None:
        share = f" ({100 * self._bytes / self._total:.0f} %)" if self._total else ""
        rate = self._bytes / elapsed_s
        left = time_left(self._total, self._bytes, rate)
        click.echo(
            f"{self._label}: {self._entries} entries, {size(self._bytes)}{share}, "
            f"{size(int(rate))}/s{left}",
            err=True,
        )
