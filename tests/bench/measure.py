"""Runs a program to its end and says how long it took and how much memory it needed.

Memory is the largest resident set of the program or of one of the processes that it waited for
(wait4(2), getrusage(2)).
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LAST_WORDS_BYTES = 2000


@dataclass(frozen=True, slots=True)
class Measured:
    """One run. seconds: wall clock. cpu_seconds: of all processors. peak_bytes: of memory."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


class BenchError(Exception):
    """A program that was to be measured failed, so there is nothing to compare."""


def measure(
    argv: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None, log: Path | None = None
) -> Measured:
    """Run argv with nothing left to be written back from before. Raises BenchError."""
    log = log or cwd / "log"
    os.sync()
    with log.open("wb") as output:
        began = time.perf_counter()
        program = subprocess.Popen(
            argv,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(program.pid, 0)
        seconds = time.perf_counter() - began
    program.returncode = os.waitstatus_to_exitcode(status)
    if program.returncode != 0:
        said = log.read_bytes()[-LAST_WORDS_BYTES:].decode("utf-8", "replace")
        raise BenchError(f"exit status {program.returncode}: {shlex.join(argv)}\n{said}")
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def folder_bytes(path: Path) -> int:
    """Bytes of all files below path, or of the file itself."""
    if path.is_file():
        return path.stat().st_size
    return sum(
        os.lstat(os.path.join(folder, name)).st_size
        for folder, _, names in os.walk(path)
        for name in names
    )
