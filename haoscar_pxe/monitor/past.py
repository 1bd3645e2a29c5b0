"""What a member remembers of its tenures, so that old data never takes the place of newer.

<state>/past.json, written anew as a whole at each change of tenure. A standby is a clone: a record
of another member is not its own, and counts as none.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from haoscar_pxe.errors import FailoverError
from haoscar_pxe.image.durable import sync_folder
from haoscar_pxe.monitor.lease import Member, Tenures
from haoscar_pxe.monitor.reports import NO_TENURES

NAME: Final = "past.json"


@dataclass(frozen=True, slots=True)
class Past:
    """tenures: when each head was active last, as far as this member knows.

    rejoined_s: when it took over although it had been replaced, in seconds of CLOCK_REALTIME.
    settled: the epoch up to which the administrator has brought the two together. maintenance: why
    it shall not become active, "" if it may.
    """

    member: str
    tenures: Tenures = NO_TENURES
    settled: int = 0
    maintenance: str = ""
    rejoined_s: tuple[int, ...] = ()

    @property
    def was_replaced(self) -> bool:
        """Whether the other head was active after this one, and nobody has settled that yet."""
        return self.tenures.was_replaced(Member[self.member.upper()], self.settled)


def read_past(folder: Path, member: str) -> Past:
    """What is remembered. Raises FailoverError: there is a record, and it is damaged."""
    path = folder / NAME
    try:
        past = msgspec.json.decode(path.read_bytes(), type=Past)
    except FileNotFoundError:
        return Past(member)
    except (OSError, msgspec.MsgspecError) as error:
        raise FailoverError(
            f"what this machine was cannot be read: {path}: {error}",
            hint=f"if this head has nothing newer than the other one, remove {path}",
        ) from error
    return past if past.member == member else Past(member)


def write_past(folder: Path, past: Past) -> None:
    """Remember it. Raises OSError."""
    half = folder / f"{NAME}.new"
    with half.open("wb") as file:
        file.write(msgspec.json.encode(past))
        file.flush()
        os.fsync(file.fileno())
    half.rename(folder / NAME)
    sync_folder(folder)
