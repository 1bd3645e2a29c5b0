"""Gives the top folders of btrfs their mtime back, which the names of our snapshots moved.

A captured top would else differ from its own generation after every capture.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path


def times(tops: Iterable[Path]) -> dict[Path, int]:
    """mtime of each, in ns. Raises OSError."""
    return {top: os.stat(top).st_mtime_ns for top in tops}


def unchanged(during: Mapping[Path, int]) -> set[Path]:
    """Those in which nothing but our names came or went since the snapshots were made."""
    try:
        now = times(during)
    except OSError:  # snapshots must be removed all the same
        return set()
    return {top for top, mtime_ns in during.items() if now[top] == mtime_ns}


def give_back(before: Mapping[Path, int], tops: Iterable[Path]) -> None:
    """Set the mtimes to what they were before the snapshots were made."""
    for top in tops:
        with suppress(OSError):  # mounted read-only: then it was not moved either
            os.utime(top, ns=(os.stat(top).st_atime_ns, before[top]))
