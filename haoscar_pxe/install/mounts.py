"""Mounts that are undone whatever happens, in reverse (mount(8), umount(8))."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from haoscar_pxe.command import Run
from haoscar_pxe.errors import CommandError, HaoscarError

Mount: TypeAlias = Callable[[Sequence[str], Path], None]
"""Takes what stands between "mount" and the place, then the place."""


@contextmanager
def mounting(run: Run) -> Iterator[Mount]:
    """Gives a function that mounts; all it mounted is unmounted at the end.

    An unmount that fails is a CommandError, unless something went wrong before: then that is what
    is told. Either way every other mount is tried.
    """
    places: list[Path] = []

    def mount(arguments: Sequence[str], place: Path) -> None:
        run(["mount", *arguments, str(place)])
        places.append(place)

    try:
        yield mount
    except BaseException:
        with suppress(HaoscarError):
            _unmount(places, run)
        raise
    _unmount(places, run)


def _unmount(places: Sequence[Path], run: Run) -> None:
    failed: CommandError | None = None
    for place in reversed(places):
        try:
            run(["umount", str(place)])
        except CommandError as error:
            failed = failed or error
    if failed:
        raise failed
