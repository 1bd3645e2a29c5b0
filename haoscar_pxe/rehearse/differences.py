"""An installed tree against its generation: all that differs, less what was declared.

Nothing else may differ. A declared file must hold exactly the bytes that the order names, a
removed one must be gone; anything beyond that, on a declared path too (an owner, a mode), is a
difference like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from haoscar_pxe.image.compare import Difference
from haoscar_pxe.nodes.order import IdentityChange
from haoscar_pxe.rehearse.mounted import MountedDisk

CONTENT_ASPECTS: Final = frozenset({"content", "mtime", "holes"})
"""In what a file differs that was written anew."""


def undeclared(
    differences: Iterable[Difference], identity: Sequence[IdentityChange]
) -> list[Difference]:
    """The differences that no identity change explains."""
    declared = {change.path: change for change in identity}
    return [
        each
        for each in differences
        if each.path not in declared or not _explains(declared[each.path], each)
    ]


def _explains(change: IdentityChange, difference: Difference) -> bool:
    if change.content is None:
        return difference.aspect == "missing"
    return difference.aspect == "extra" or difference.aspect in CONTENT_ASPECTS


def identity_not_applied(disk: MountedDisk, identity: Sequence[IdentityChange]) -> list[str]:
    """Identity changes that the disk does not show, each in words."""
    problems = []
    for change in identity:
        path = disk.root / change.path.decode("utf-8", "surrogateescape")
        found = path.read_bytes() if path.is_file() and not path.is_symlink() else None
        if found != change.content:
            what = "is not what was declared" if change.content else "should have been removed"
            problems.append(f"/{change.path.decode('utf-8', 'replace')} {what}: {change.reason}")
    return problems


def wrong_uuids(disk: MountedDisk) -> list[str]:
    """File systems whose UUID is not the captured one, each in words."""
    return [
        f"the file system at {each.expected.mount_point} has the UUID {each.found_uuid}, "
        f"not {each.expected.uuid}"
        for each in disk.file_systems
        if each.expected.uuid and each.expected.uuid.lower() != each.found_uuid.lower()
    ]
