"""A folder that one process uses at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haoscar_pxe.errors import BusyError, RehearsalError


@contextmanager
def held(folder: Path, what: str) -> Iterator[None]:
    """Make the folder if it is missing, and hold its lock; the kernel drops it with the process.

    what: what uses it, for messages ("the demo"). Raises BusyError if another one does.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("a")
    except OSError as error:
        raise RehearsalError(
            f"cannot work in {folder}: {error.strerror}",
            hint="run as root, or give another folder with --work",
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(
                f"{what} is running in {folder} already",
                hint="wait for it, or give another folder with --work",
            ) from error
        yield
