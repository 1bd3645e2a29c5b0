"""A rehearsal as it happens, for whoever watches it: one line a step, with its time."""

from __future__ import annotations

import sys
import time

import click

PERCENT_EVERY_S = 5.0
"""On what is no terminal; on one, the line is rewritten in place."""


class Storyteller:
    """The Narrator of a terminal or a log."""

    def __init__(self) -> None:
        self._in_place = sys.stderr.isatty()
        self._is_open = False
        self._said_s = 0.0

    def begin(self, step: str) -> None:
        """See Narrator."""
        self._close()
        click.secho(f"→ {step}", bold=True, err=True)

    def detail(self, line: str) -> None:
        """See Narrator."""
        self._close()
        click.echo(f"    {line}", err=True)

    def percent(self, percent: float, message: str) -> None:
        """See Narrator."""
        text = f"    {percent:3.0f} %  {message}"
        if self._in_place:
            click.echo(f"\r{text:<78}", nl=False, err=True)
            self._is_open = True
        elif time.monotonic() - self._said_s >= PERCENT_EVERY_S:
            self._said_s = time.monotonic()
            click.echo(text, err=True)

    def done(self, step: str, seconds: float) -> None:
        """See Narrator."""
        self._close()
        click.secho(f"  done in {seconds:.1f} s", dim=True, err=True)

    def _close(self) -> None:
        """End a line that was being rewritten."""
        if self._is_open:
            click.echo(err=True)
            self._is_open = False
