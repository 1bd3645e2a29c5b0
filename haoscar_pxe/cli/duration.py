"""A length of time as people type it: 90s, 15m, 8h, 2d."""

from __future__ import annotations

import re

import click

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION = re.compile(r"(\d{1,6}(?:\.\d+)?)([smhd])")


class Duration(click.ParamType[float]):
    """Seconds, from a number and one of s, m, h, d."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """See click.ParamType."""
        match = _DURATION.fullmatch(str(value))
        if match is None:
            self.fail(f"'{value}' is no length of time: write 90m, 8h or 2d", param, ctx)
        return float(match[1]) * _UNITS[match[2]]
