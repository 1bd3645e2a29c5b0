"""Which paths of the tree a walk enters, keeps as an empty folder, or leaves out.

Paths here are relative to the captured root, as in entries; reasons are in words for the report.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from haoscar_pxe.capture.scope.belonging import Decision
from haoscar_pxe.capture.scope.mounts import is_below
from haoscar_pxe.errors import CaptureError
from haoscar_pxe.image.entry import parents

LOST_AND_FOUND = b"lost+found"


class Treatment(Enum):
    """What a walk does at a path."""

    ENTER = "captured"
    EMPTY = "kept as an empty folder"
    UNTOUCHED = "kept as an empty folder, without asking the file system that lies there"
    LEAVE_OUT = "left out"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something of the tree that is not captured. path: relative to the root."""

    path: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Scope:
    """The treatment of every path that is not simply captured.

    mount_points: mount points (b"" for the root) of file systems that belong.
    empty, untouched: mount points of which only the name and metadata are kept; where a single
    file is the mount point, the file that is seen there is captured.
    excluded: folders that are kept empty, and other files that are not captured at all.
    """

    mount_points: frozenset[bytes] = frozenset({b""})
    empty: Mapping[bytes, str] = field(default_factory=dict)
    untouched: Mapping[bytes, str] = field(default_factory=dict)
    excluded: Mapping[bytes, str] = field(default_factory=dict)

    @property
    def special(self) -> frozenset[bytes]:
        """All paths at which something else than ENTER may be to do."""
        lost = (_join(point, LOST_AND_FOUND) for point in self.mount_points)
        return frozenset((*self.empty, *self.untouched, *self.excluded, *lost))

    def treatment(self, path: bytes, *, is_folder: bool) -> Treatment:
        """What to do at path. Only asked for paths whose parent was entered."""
        if path in self.untouched:
            return Treatment.UNTOUCHED
        if is_folder and (path in self.empty or path in self.excluded):
            return Treatment.EMPTY
        if path in self.excluded or self._is_lost_and_found(path):
            return Treatment.LEAVE_OUT
        return Treatment.ENTER

    def _is_lost_and_found(self, path: bytes) -> bool:
        folder, _, name = path.rpartition(b"/")
        return name == LOST_AND_FOUND and folder in self.mount_points

    def left_out(self) -> tuple[LeftOut, ...]:
        """All that is not captured, by path; what lies below such a path is not told again."""
        reasons = {**self.empty, **self.untouched, **self.excluded}
        return tuple(
            LeftOut(path, reason)
            for path, reason in sorted(reasons.items())
            if not any(folder in reasons for folder in parents(path))
        )


def exclusions(root: bytes, wanted: Mapping[bytes, str]) -> dict[bytes, str]:
    """The paths below root that never belong, without symbolic links, each with its reason.

    wanted: absolute paths and reasons. A path that is not there is dropped, and so is a folder
    above root (a work folder that holds the tree). Raises CaptureError when root itself is one.
    """
    there = {os.path.realpath(path): why for path, why in wanted.items() if os.path.lexists(path)}
    if root in there:
        raise CaptureError(
            f"{os.fsdecode(root)} is never captured: {there[root]}",
            hint="name another folder with --root",
        )
    return {path: why for path, why in there.items() if is_below(path, root)}


def without_excluded(
    decisions: Sequence[Decision], excluded: Mapping[bytes, str]
) -> list[Decision]:
    """The decisions, but no mount belongs that lies on or below an excluded path.

    So a repository on a disk of its own does not make that disk part of the layout.
    """
    return [_without(decision, excluded) for decision in decisions]


def _without(decision: Decision, excluded: Mapping[bytes, str]) -> Decision:
    place = decision.mount.mount_point
    for path, why in excluded.items():
        if decision.belongs and (place == path or is_below(place, path)):
            return Decision(decision.mount, False, why)
    return decision


def scope_of(root: bytes, decisions: Sequence[Decision], excluded: Mapping[bytes, str]) -> Scope:
    """Put mount decisions and `exclusions` together.

    root: absolute, without symbolic links.
    """
    below = [d for d in decisions if is_below(d.mount.mount_point, root)]
    left = [d for d in below if not d.belongs]
    return Scope(
        mount_points=frozenset(
            {b"", *(relative(d.mount.mount_point, root) for d in below if d.belongs)}
        ),
        empty=_reasons(root, (d for d in left if not d.may_hang)),
        untouched=_reasons(root, (d for d in left if d.may_hang)),
        excluded={relative(path, root): why for path, why in excluded.items()},
    )


def relative(path: bytes, root: bytes) -> bytes:
    """Path below root in the form of entries.

    >>> relative(b"/srv/head/etc/fstab", b"/srv/head"), relative(b"/etc", b"/")
    (b'etc/fstab', b'etc')
    """
    return path[len(root.rstrip(b"/")) + 1 :]


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def _reasons(root: bytes, decisions: Iterable[Decision]) -> dict[bytes, str]:
    return {relative(d.mount.mount_point, root): d.reason for d in decisions}
