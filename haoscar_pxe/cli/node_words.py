"""A node in words for people, and as a document for programs."""

from __future__ import annotations

import msgspec

from haoscar_pxe.nodes.node import Node

HIDDEN = "(hidden)"
NEWEST = "newest"


def disk_words(found: Node) -> str:
    """Which disk it is installed on, and whatever is there."""
    disk = "the only disk that fits" if found.disk == "auto" else found.disk
    return f"{disk}, {'if it is blank' if found.wipe == 'blank' else 'whatever is on it'}"


def public(found: Node) -> dict[str, object]:
    """All of its record but the secret in it."""
    return {**msgspec.structs.asdict(found), "order_token": HIDDEN}
