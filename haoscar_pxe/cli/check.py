"""A check of `doctor`: what was looked at, how it stands, and what to type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `doctor`.

    verdict: "warning" where only a part of the product, or only some sites, would miss it;
    "failed" where a capture, a boot or an install would not work. found: what was seen.
    hint: what to type, "" if nothing need be done.
    """

    name: str
    verdict: Verdict
    found: str
    hint: str = ""
