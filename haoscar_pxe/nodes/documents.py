"""A node as a document for programs: what `--json` prints and the API answers. No secret in it."""

from __future__ import annotations

import msgspec

from haoscar_pxe.nodes.node import Node
from haoscar_pxe.nodes.registry import Registry
from haoscar_pxe.nodes.timeline import TimelineFile

HIDDEN = "(hidden)"


def public(found: Node) -> dict[str, object]:
    """All of its record but the secret in it."""
    return {**msgspec.structs.asdict(found), "order_token": HIDDEN}


def with_timeline(registry: Registry, timeline: TimelineFile, name: str) -> dict[str, object]:
    """The node, what it reported and what the server saw of it. Raises NodeError if unknown."""
    found = registry.get(name)
    reported = [
        {"at_ns": each.at_ns, **msgspec.structs.asdict(each.event)}
        for each in registry.events(name)
    ]
    seen = [msgspec.structs.asdict(each) for each in timeline.of(name)]
    return {**public(found), "events": reported, "happenings": seen}
