"""What of a tree on this machine a capture would leave out, learned as a capture learns it."""

from __future__ import annotations

import os
from pathlib import Path

from haoscar_pxe.capture.disks.devices import block_device
from haoscar_pxe.capture.disks.swaps import parse_swaps, swap_files
from haoscar_pxe.capture.scope.belonging import decide
from haoscar_pxe.capture.scope.mounts import parse_mountinfo
from haoscar_pxe.capture.scope.scope import (
    LOST_AND_FOUND,
    Scope,
    exclusions,
    scope_of,
    without_excluded,
)
from haoscar_pxe.errors import ComparisonError


def tree_scope(tree: Path, never: dict[bytes, str]) -> Scope:
    """The scope of the tree. never: absolute paths that do not belong, and why.

    Raises CaptureError if the tree itself is one of them, ComparisonError if it is not there.
    """
    try:
        root = os.path.realpath(os.fsencode(tree), strict=True)
        swaps = parse_swaps(Path("/proc/swaps").read_bytes())
        mounts = parse_mountinfo(Path("/proc/self/mountinfo").read_bytes())
    except OSError as error:
        raise ComparisonError(f"cannot look at {tree}: {error}") from error
    excluded = exclusions(root, {**never, **swap_files(swaps)})
    decisions = without_excluded(decide(mounts, root, block_device), excluded)
    return scope_of(root, decisions, excluded)


def left_out_paths(scope: Scope) -> frozenset[bytes]:
    """The paths of the scope at which a capture looks no further, as entries have them."""
    lost_and_found = {
        place + b"/" + LOST_AND_FOUND if place else LOST_AND_FOUND for place in scope.mount_points
    }
    return frozenset({*scope.empty, *scope.untouched, *scope.excluded, *lost_and_found})
