"""What only a head has: the door to the virtual addresses, and the addresses behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Door(Protocol):
    """What lets traffic of the virtual addresses through, until an instant of `CLOCK_BOOTTIME`."""

    def open(self, until: int) -> bool:
        """Open it, or leave it as it is: False. Raises FailoverError: nothing guards it now."""
        ...

    def shut(self) -> None:
        """Shut it now. Raises FailoverError: nothing guards it."""
        ...


class Face(Protocol):
    """The virtual addresses on this machine's interfaces."""

    def appear(self) -> str:
        """Have them and say so to the segment; what could not be had, in words, or ""."""
        ...

    def vanish(self) -> bool:
        """Have none of them; whether none is left."""
        ...


@dataclass(frozen=True, slots=True)
class Entrance:
    """What only a head has: the door, and the addresses behind it."""

    door: Door
    face: Face
