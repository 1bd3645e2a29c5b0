"""How a long operation tells whoever watches how far it is; printing is the watcher's business."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeAlias


class Progress(Protocol):
    """Receives counts as an operation goes on. Cheap enough to call for every file."""

    def expect(self, total_bytes: int) -> None:
        """Announce (or correct) how many bytes of content there will be, once known."""
        ...

    def advance(self, size_bytes: int, entries: int = 1) -> None:
        """Say that this many more bytes and entries are done."""
        ...


class Silence:
    """The Progress of someone who does not want to know."""

    def expect(self, total_bytes: int) -> None:
        """Drop it."""

    def advance(self, size_bytes: int, entries: int = 1) -> None:
        """Drop it."""


Watched: TypeAlias = Callable[[str], AbstractContextManager[Progress]]
"""Gives the Progress of one operation with that label, for as long as the operation lasts."""


def unwatched(_label: str) -> AbstractContextManager[Progress]:
    """The Watched of someone who does not want to know."""
    return nullcontext(Silence())
