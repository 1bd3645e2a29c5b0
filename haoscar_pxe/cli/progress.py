"""How far a long operation is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from haoscar_pxe.cli.lines import Lines
from haoscar_pxe.image.progress import Progress as Watcher

REFRESH_EVERY_S = 0.1


class Bar:
    """Progress as a bar of `rich`; refreshed a few times a second, however often it is called."""

    def __init__(self, progress: Progress, label: str) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=None)
        self._bytes = 0
        self._shown_s = 0.0

    def expect(self, total_bytes: int) -> None:
        """See image.progress.Progress."""
        self._progress.update(self._task, total=total_bytes)

    def advance(self, size_bytes: int, entries: int = 1) -> None:
        """See image.progress.Progress."""
        self._bytes += size_bytes
        now = time.monotonic()
        if now - self._shown_s >= REFRESH_EVERY_S:
            self._shown_s = now
            self._progress.update(self._task, completed=self._bytes)


@contextmanager
def watched(label: str, *, quiet: bool = False) -> Iterator[Watcher]:
    """A Progress that prints, on standard error."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield Lines(label)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bar(progress, label)
