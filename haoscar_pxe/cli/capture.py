"""`haoscar-pxe capture`: the live head, or a tree, becomes the next generation of an image."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import click

from haoscar_pxe.capture.capture import CaptureOptions
from haoscar_pxe.capture.capture import capture as capture_generation
from haoscar_pxe.capture.report import CaptureReport
from haoscar_pxe.cli.output import json_option, path_text, print_json, size
from haoscar_pxe.cli.progress import watched
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.config import Config

log = logging.getLogger(__name__)

LIVE_ROOT = Path("/")
LISTED = 10


@click.command()
@click.argument("name")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=LIVE_ROOT,
    help="Capture this tree instead of the running head.",
)
@click.option(
    "--layout",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A disk layout (JSON, as 'image show --json' prints it) instead of the head's own.",
)
@json_option
@pass_site
def capture(site: Site, name: str, root: Path, layout: Path | None, as_json: bool) -> None:
    """Capture this running head as the next generation of image NAME ('capture primary').

    Everything mounted that belongs to the machine is captured: not pseudo, network or removable
    file systems, nor the repository. Nothing is visible until all of it is stored; an interrupted
    capture leaves what was there before.
    """
    options = CaptureOptions(
        root=root,
        image=name,
        excluded=excluded(site.config),
        layout_file=layout,
        live=root.resolve() == LIVE_ROOT,
    )
    with watched(f"capturing {root}", quiet=as_json) as progress:
        report = capture_generation(options, site.repository, site.signer, progress)
    if as_json:
        print_json(_document(report))
        return
    for line in report_lines(report):
        click.echo(line)


def excluded(config: Config) -> tuple[bytes, ...]:
    """What never belongs to an image of this site: its own state and keys, and what it names."""
    paths = (config.paths.state, config.paths.keys, *config.capture.exclude)
    return tuple(os.fsencode(path) for path in paths)


def report_lines(report: CaptureReport) -> list[str]:
    """The report for people; what must be acted on comes last, where it is read."""
    made = report.manifest
    for decision in report.mounts:
        word = "captured" if decision.belongs else "left out"
        log.debug("%s %s: %s", word, path_text(decision.mount.mount_point), decision.reason)
    lines = [
        f"{made.image} generation {made.generation}: {made.entry_count} entries, "
        f"{size(made.stored_bytes)} of content, {size(made.packed_bytes)} added to the repository, "
        f"{report.seconds:.1f} s"
    ]
    lines += _some([f"left out {path_text(each.path)}: {each.reason}" for each in report.left_out])
    lines += _some([f"vanished meanwhile: {path_text(path)}" for path in report.vanished])
    unstable = [f"never held still, kept as last read: {path_text(p)}" for p in report.unstable]
    lines += _some(unstable)
    for warning in report.warnings:
        lines += [f"warning: {warning.sentence}", f"   hint: {warning.hint}"]
    return lines


def _some(lines: list[str]) -> list[str]:
    rest = len(lines) - LISTED
    return lines if rest <= 0 else [*lines[:LISTED], f"… and {rest} more (--json lists all)"]


def _document(report: CaptureReport) -> dict[str, object]:
    made = report.manifest
    return {
        "image": made.image,
        "generation": made.generation,
        "manifest": made.id,
        "entries": made.entry_count,
        "stored_bytes": made.stored_bytes,
        "packed_bytes": made.packed_bytes,
        "consistency": made.consistency,
        "seconds": report.seconds,
        "left_out": [{"path": each.path, "reason": each.reason} for each in report.left_out],
        "unstable": report.unstable,
        "vanished": report.vanished,
        "warnings": [{"sentence": w.sentence, "hint": w.hint} for w in report.warnings],
    }
