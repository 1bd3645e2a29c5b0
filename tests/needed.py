"""What a test needs of the machine: missing, it skips on a laptop and fails in CI."""

from __future__ import annotations

import os
import shutil

import pytest


def need(*programs: str, root: bool = True) -> None:
    """Skip the test (or, with CI=true, fail it) unless it is root and all programs are here."""
    missing = [program for program in programs if shutil.which(program) is None]
    if root and os.geteuid() != 0:
        missing.append("root")
    _settle(missing)


def need_files(*anywhere: tuple[str, ...]) -> None:
    """The same for files: of each group at least one path must exist."""
    _settle([group[0] for group in anywhere if not any(map(os.path.exists, group))])


def _settle(missing: list[str]) -> None:
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"not here, and CI must have it: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not here: {', '.join(missing)}")
