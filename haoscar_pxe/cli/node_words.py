"""A node in words for people."""

from __future__ import annotations

from haoscar_pxe.nodes.node import Node

NEWEST = "newest"


def disk_words(found: Node) -> str:
    """Which disk it is installed on, and whatever is there."""
    disk = "the only disk that fits" if found.disk == "auto" else found.disk
    return f"{disk}, {'if it is blank' if found.wipe == 'blank' else 'whatever is on it'}"
