"""Captures a tree, or the running head, as the next generation of an image.

The steps: survey, walk and read into the repository, disk layout, commit. Until the commit nothing
is visible: a capture that is interrupted or killed leaves what was there before.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from haoscar_pxe.capture.advice import Adviser
from haoscar_pxe.capture.default_layout import default_layout
from haoscar_pxe.capture.layout import with_usage
from haoscar_pxe.capture.reading import Clock, SystemClock
from haoscar_pxe.capture.report import CaptureReport
from haoscar_pxe.capture.scope import LeftOut
from haoscar_pxe.capture.survey import Question, Survey, survey
from haoscar_pxe.capture.tree import Captured, capture_tree, content_bytes
from haoscar_pxe.command import Run, run
from haoscar_pxe.errors import CaptureError
from haoscar_pxe.image.layout import DiskLayout, file_systems
from haoscar_pxe.image.manifest import Manifest, Record
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import SigningKey


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """What to capture.

    root: the tree, "/" for the running head. excluded: absolute paths on this machine that never
    belong (state folders, what the site names); a folder among them is kept empty. layout_file:
    a disk layout instead of the machine's own or the default. live: root is the running head, so
    its disks and kernel are asked for.
    """

    root: Path
    image: str
    excluded: tuple[bytes, ...] = ()
    layout_file: Path | None = None
    live: bool = False


def capture(
    options: CaptureOptions,
    repository: Repository,
    signer: SigningKey,
    progress: Progress,
    run: Run = run,
    clock: Clock | None = None,
) -> CaptureReport:
    """Capture and commit. Raises BusyError when the image is being captured by somebody else,
    CaptureError (the tree or its disks cannot be captured), StorageError (the repository).
    """
    began, created_ns = time.monotonic(), time.time_ns()
    with _opened(options.root) as (root, root_fd), repository.writer(options.image) as writer:
        never = _never(options, repository)
        found = survey(Question(root, root_fd, never, options.live, options.layout_file), run)
        progress.expect(content_bytes(root_fd, found.scope))
        captured = capture_tree(
            root_fd, found.scope, _places(found), writer, progress, clock or SystemClock()
        )
        progress.expect(captured.stored_bytes)
        record = Record(
            created_ns=created_ns,
            host_name=found.host_name,
            consistency="live" if options.live else "tree",
            layout=_layout(options, found, captured),
            unstable=captured.unstable,
        )
        manifest = writer.commit(record, signer)
    return _report(found, captured, manifest, time.monotonic() - began)


@contextmanager
def _opened(root: Path) -> Iterator[tuple[bytes, int]]:
    """The root's path without symbolic links, and a descriptor of it."""
    try:
        path = os.path.realpath(os.fsencode(root), strict=True)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise CaptureError(
            f"{root} cannot be captured: {error.strerror}", hint="name a folder with --root"
        ) from error
    try:
        yield path, fd
    finally:
        os.close(fd)


def _never(options: CaptureOptions, repository: Repository) -> dict[bytes, str]:
    excluded = dict.fromkeys(options.excluded, "excluded by the configuration")
    return {**excluded, os.fsencode(repository.path.absolute()): "the repository itself"}


def _places(found: Survey) -> frozenset[bytes]:
    """Where to count used bytes: at every mount point, of the tree and of its layout."""
    layout = found.layout
    points = [fs.mount_point for fs in file_systems(layout)] if layout else []
    return found.scope.mount_points | {os.fsencode(point.strip("/")) for point in points}


def _layout(options: CaptureOptions, found: Survey, captured: Captured) -> DiskLayout:
    if found.layout is not None:
        return with_usage(found.layout, _by_mount_point(captured.used_bytes))
    used_bytes = sum(captured.used_bytes.values())
    return default_layout(options.image, found.boot, found.fstab, used_bytes, captured.entries)


def _by_mount_point(used_bytes: Mapping[bytes, int]) -> dict[str, int]:
    return {"/" + os.fsdecode(place): used for place, used in used_bytes.items()}


def _report(found: Survey, captured: Captured, manifest: Manifest, seconds: float) -> CaptureReport:
    adviser = Adviser(
        layout=manifest.layout,
        fstab=found.fstab,
        hosts=found.hosts,
        host_name=found.host_name,
        decisions=found.decisions,
        running=found.running,
    )
    meanwhile = (
        LeftOut(path, "mounted while the capture ran") for path in captured.mounted_meanwhile
    )
    return CaptureReport(
        manifest=manifest,
        mounts=found.decisions,
        left_out=(*found.scope.left_out(), *meanwhile),
        unstable=captured.unstable,
        vanished=captured.vanished,
        warnings=(*found.warnings, *adviser.warnings()),
        seconds=seconds,
    )
