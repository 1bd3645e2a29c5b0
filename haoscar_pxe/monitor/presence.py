"""Whether a head is seen under the virtual addresses: its door and its addresses, in this order.

The door is opened before the addresses appear, and shut before they are gone. When to do either is
the keeper's to say (`keeping.py`); that the door shuts by itself is the kernel's part (`door.py`).
"""

from __future__ import annotations

from haoscar_pxe.errors import FailoverError
from haoscar_pxe.monitor.entrance import Entrance


class Presence:
    """What a member shows. entrance: None for the witness, which shows nothing.

    open_until: when the door shuts by itself, by the own clock; 0 if it was shut. guards_gone: how
    often nothing guarded the addresses any more. trouble: with the addresses, in words.
    """

    def __init__(self, entrance: Entrance | None) -> None:
        self._entrance = entrance
        self.open_until = 0
        self.guards_gone = 0
        self.trouble = ""

    def is_open(self, now: int) -> bool:
        """Whether traffic of the virtual addresses passes."""
        return now < self.open_until

    def has_run_out(self, now: int) -> bool:
        """Whether the door shut by itself."""
        return self.open_until != 0 and not self.is_open(now)

    def open(self, until: int) -> bool:
        """Open the door, or for longer; False: it stays as it is.

        Raises FailoverError: nothing guards the addresses.
        """
        if self._entrance is None or not self._entrance.door.open(until):
            return False
        self.open_until = until
        return True

    def appear(self) -> None:
        """Have the addresses, behind an open door."""
        if self._entrance is not None:
            self.trouble = self._entrance.face.appear()

    def end(self) -> bool:
        """Shut the door and take the addresses away; whether nothing answers any more."""
        self.open_until = 0
        if self._entrance is None:
            return True
        try:
            self._entrance.door.shut()
            is_shut = True
        except FailoverError:
            self.guards_gone += 1
            is_shut = False
        return self._entrance.face.vanish() or is_shut
