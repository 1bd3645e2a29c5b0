"""Work that is killed before one of its changes to the disk, in a process of its own."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from typing import Final

CHANGES: Final = ("unlink", "rmdir", "mkdir", "rename", "link", "replace", "fsync", "ftruncate")
"""The functions of os by which work changes the disk, or makes a change last."""


def run_killed(act: Callable[[], object], before: int) -> bool:
    """Do it in a process that is killed before its `before`-th change; whether it came to its end.

    The power goes where the kernel has done everything that was asked until then.
    """
    child = os.fork()
    if child == 0:
        status = 1
        try:
            calls = itertools.count()
            for name in CHANGES:
                setattr(os, name, _killing(getattr(os, name), calls, before))
            act()
            status = 0
        finally:
            os._exit(status)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in (0, -signal.SIGKILL)
    return ended == 0


def _killing(
    real: Callable[..., object], calls: itertools.count[int], before: int
) -> Callable[..., object]:
    def call(*words: object, **named: object) -> object:
        if next(calls) == before:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*words, **named)

    return call
