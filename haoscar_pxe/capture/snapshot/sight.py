"""What a capture is told about snapshots, and through what it then looks at the head's files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from haoscar_pxe.capture.snapshot.plan import Mode, Plan
from haoscar_pxe.capture.warning import CaptureWarning
from haoscar_pxe.errors import CaptureError
from haoscar_pxe.image.manifest import Consistency


class SnapshotError(CaptureError):
    """A snapshot that is required cannot be made, or one that was read was no good."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Whether snapshots are wanted.

    mode: "auto" takes those that can be had of a running head, "require" refuses to read anything
    but /boot live, "off" touches no storage. percent: the share of a plain logical volume's size
    that its snapshot may take of the free room, for what is changed meanwhile.
    """

    mode: Mode = "off"
    percent: int = 20


@dataclass(frozen=True, slots=True)
class Reading:
    """How the files of one file system, or nested subvolume, are read. place: absolute."""

    place: bytes
    is_snapshot: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Sight:
    """The tree as it is read.

    root_fd: its root. consistency: None where no snapshot was thought of. devices: st_dev in a
    snapshot to st_dev of what it was taken of, by which the next capture will know the files.
    """

    root_fd: int
    consistency: Consistency | None = None
    readings: tuple[Reading, ...] = ()
    devices: Mapping[int, int] = field(default_factory=dict)
    warnings: tuple[CaptureWarning, ...] = ()


def readings(plan: Plan) -> tuple[Reading, ...]:
    """The plan without what only its carrying out needs."""
    return tuple(Reading(v.place, v.shot is not None, v.reason) for v in plan.views)
