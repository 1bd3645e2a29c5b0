"""A `serve` process that was started, until it serves."""

from __future__ import annotations

import subprocess


def await_serving(process: subprocess.Popen[bytes]) -> bytes:
    """What it said on standard error until then. Fails with all that it said if it ends before."""
    assert process.stderr is not None
    said = b""
    while line := process.stderr.readline():
        said += line
        if line.startswith(b"serving on"):
            return said
    raise AssertionError(said.decode(errors="replace"))
