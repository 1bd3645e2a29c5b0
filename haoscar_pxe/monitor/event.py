"""One thing that happened to a member, with its reason in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["note", "alert"]


@dataclass(frozen=True, slots=True)
class Event:
    """at_ns: CLOCK_REALTIME. what: in a word or two. reason: a sentence. epoch: 0 if none is meant.

    level: an alert is something that a person should look at.
    """

    at_ns: int
    member: str
    what: str
    reason: str
    epoch: int = 0
    level: Level = "note"
