"""Captures a tree, or the running head, of this machine as the next generation of an image.

The steps: hooks, survey, walk and read into the repository, disk layout, commit. Until the commit
nothing is visible: a capture that is interrupted or killed leaves what was there before. Another
machine is captured by `remote.py`.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from haoscar_pxe.capture.disks.layout_file import read_layout
from haoscar_pxe.capture.files.known import KnownTree, Recapture, ReusingSink, known_pages
from haoscar_pxe.capture.files.reading import Clock, SystemClock
from haoscar_pxe.capture.files.secrets import Sealing
from haoscar_pxe.capture.files.statuses import StatusLog, load_statuses
from haoscar_pxe.capture.files.taking import Subject, take
from haoscar_pxe.capture.hooks import Hooks, quiesced
from haoscar_pxe.capture.report import CaptureReport, report_of
from haoscar_pxe.capture.snapshot.sight import Wish
from haoscar_pxe.command import Run, run
from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.layout import DiskLayout
from haoscar_pxe.image.page_entries import page_reader
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import SigningKey, TrustedKeys
from haoscar_pxe.image.writer import GenerationWriter

BY_CONFIGURATION = "excluded by the configuration"


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """What to capture.

    root: the tree, "/" for the running head. excluded: absolute paths on the captured machine
    that never belong (state folders, what the site names); a folder among them is kept empty.
    layout_file: a disk layout instead of the machine's own or the default. live: root is the
    running head, so its disks and kernel are asked for. hooks: what quiesces it. full:
    read every file, also those that look as they did at the last capture. sealing: which files are
    secrets, and the key that seals them. trusted: whose generations before are believed, None for
    the signer's alone. wish: whether it is read from snapshots.
    """

    root: Path
    image: str
    sealing: Sealing
    excluded: tuple[bytes, ...] = ()
    layout_file: Path | None = None
    live: bool = False
    hooks: Hooks = field(default_factory=Hooks)
    full: bool = False
    trusted: TrustedKeys | None = None
    wish: Wish = field(default_factory=Wish)

    @property
    def layout(self) -> DiskLayout | None:
        """The given layout. Raises CaptureError with every problem of its file."""
        return read_layout(self.layout_file) if self.layout_file else None


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
    began = time.monotonic()
    subject = Subject(
        root=options.root,
        image=options.image,
        never=_never(options, repository),
        sealing=options.sealing,
        layout=options.layout,
        live=options.live,
        wish=options.wish,
    )
    with repository.writer(options.image) as writer:
        with quiesced(options.hooks, run) as quiet:
            again = _again(options, repository, writer, signer)
            sink = ReusingSink(writer, again.known) if again.known else writer
            at = clock or SystemClock()
            taken = take(subject, sink, progress, run, at, again, quiet.resume)
            if isinstance(sink, ReusingSink):
                sink.flush()
        manifest = writer.commit(taken.record, signer)
        rules_id = options.sealing.rules.id
        again.statuses.save(_statuses_path(options, repository), manifest.id, rules_id)
    return report_of(taken, manifest, time.monotonic() - began)


def _again(
    options: CaptureOptions, repository: Repository, writer: GenerationWriter, signer: SigningKey
) -> Recapture:
    """The generation before, if its statuses are at hand and it is one of ours."""
    log = StatusLog(time.time_ns())
    if options.full or not writer.parent:
        return Recapture(None, log, 0)
    try:
        trusted = options.trusted or TrustedKeys.of(signer.public)
        parent = repository.manifest(options.image, None, trusted)
    except IntegrityError:  # damaged, or signed by nobody whom we believe
        return Recapture(None, log, 0)
    path, rules_id = _statuses_path(options, repository), options.sealing.rules.id
    rows = load_statuses(path, parent.id, rules_id, parent.entry_count)
    if rows is None:
        return Recapture(None, log, 0)
    pages = known_pages(parent, page_reader(repository.store), writer.has_chunks_of)
    return Recapture(KnownTree(pages, rows), log, parent.stored_bytes)


def _statuses_path(options: CaptureOptions, repository: Repository) -> Path:
    return repository.path / "cache" / f"{options.image}.statuses"


def _never(options: CaptureOptions, repository: Repository) -> dict[bytes, str]:
    excluded = dict.fromkeys(options.excluded, BY_CONFIGURATION)
    return {**excluded, os.fsencode(repository.path.absolute()): "the repository itself"}
