"""What a capture tells whoever asked for it, besides the generation itself."""

from __future__ import annotations

from dataclasses import dataclass

from haoscar_pxe.capture.files.taking import Taken
from haoscar_pxe.capture.scope.belonging import Decision
from haoscar_pxe.capture.scope.scope import LeftOut
from haoscar_pxe.capture.snapshot.sight import Reading
from haoscar_pxe.capture.warning import CaptureWarning
from haoscar_pxe.image.manifest import Manifest


@dataclass(frozen=True, slots=True)
class CaptureReport:
    """A capture that was committed.

    mounts: the decision on every mount of the tree. left_out: what was not captured, and why.
    unstable: files that never held still while they were read (also in the manifest).
    vanished: names that went away while the tree was walked. Paths are relative to the root.
    received_bytes: what came over the connection from a head that was captured over ssh. readings:
    which file systems were read from a snapshot, which live.
    """

    manifest: Manifest
    mounts: tuple[Decision, ...]
    left_out: tuple[LeftOut, ...]
    unstable: tuple[bytes, ...]
    vanished: tuple[bytes, ...]
    warnings: tuple[CaptureWarning, ...]
    seconds: float
    received_bytes: int = 0
    readings: tuple[Reading, ...] = ()


def report_of(
    taken: Taken, manifest: Manifest, seconds: float, received_bytes: int = 0
) -> CaptureReport:
    """The report on what was taken and committed."""
    return CaptureReport(
        manifest=manifest,
        mounts=taken.mounts,
        left_out=taken.left_out,
        unstable=manifest.unstable,
        vanished=taken.vanished,
        warnings=taken.warnings,
        seconds=seconds,
        received_bytes=received_bytes,
        readings=taken.readings,
    )
