"""What a capture warns of: things that are better changed today than found on the bad day."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CaptureWarning:
    """One sentence, and what to do or type about it."""

    sentence: str
    hint: str
