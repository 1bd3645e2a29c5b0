"""`haoscar-pxe capture`: the live head, or a tree, becomes the next generation of an image."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

import click

from haoscar_pxe.boot.bundle import build_bundle
from haoscar_pxe.capture.capture import CaptureOptions
from haoscar_pxe.capture.capture import capture as capture_generation
from haoscar_pxe.capture.hooks import Hooks
from haoscar_pxe.capture.remote.capture_head import Head, capture_remote
from haoscar_pxe.capture.remote.delivery import PLACE, AgentBundle
from haoscar_pxe.capture.remote.ssh import Ssh
from haoscar_pxe.capture.report import CaptureReport
from haoscar_pxe.capture.snapshot.plan import Mode
from haoscar_pxe.capture.snapshot.sight import Wish
from haoscar_pxe.cli.output import json_option, path_text, print_json, size
from haoscar_pxe.cli.progress import watched
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.config import Config, HeadConfig

log = logging.getLogger(__name__)

LIVE_ROOT = Path("/")
THIS_MACHINE = "-"
LISTED = 10


@click.command()
@click.argument("name")
@click.option(
    "--host",
    metavar="[USER@]HOST",
    help="Capture this machine over ssh; '-' for this one, whatever the configuration says.",
)
@click.option(
    "--ssh-option",
    "ssh_options",
    metavar="NAME=VALUE",
    multiple=True,
    help="An option of ssh_config, such as Port=2222 or IdentityFile=PATH. May be repeated.",
)
@click.option(
    "--remote-folder",
    metavar="FOLDER",
    help=f"Where the capture agent is kept on that machine. Default: {PLACE}.",
)
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    default=LIVE_ROOT,
    help="Capture this tree (of that machine) instead of the running head.",
)
@click.option(
    "--layout",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A disk layout (JSON, as 'image show --json' prints it) instead of the head's own.",
)
@click.option(
    "--snapshot",
    type=click.Choice(["auto", "off", "require"]),
    help="Read the head from snapshots of its storage. Default: as the configuration says.",
)
@click.option(
    "--full",
    is_flag=True,
    help="Read every file, also those that look unchanged (over ssh all are read anyway).",
)
@json_option
@pass_site
def capture(
    site: Site,
    name: str,
    host: str | None,
    ssh_options: tuple[str, ...],
    remote_folder: str | None,
    root: Path,
    layout: Path | None,
    snapshot: Mode | None,
    full: bool,
    as_json: bool,
) -> None:
    """Capture the running head as the next generation of image NAME ('capture primary').

    The head is this machine, or the one that --host or the configuration's [[head]] names: it
    needs sshd and nothing else. Everything mounted that belongs to the machine is captured: not
    pseudo, network or removable file systems, nor the repository. Nothing is visible until all of
    it is stored; an interrupted capture leaves what was there before.
    """
    said, wished = site.config.head_of(name), site.config.capture
    wanted = replace(
        said,
        host=said.host if host is None else "" if host == THIS_MACHINE else host,
        ssh_options=(*ssh_options, *said.ssh_options),
        remote_folder=remote_folder or said.remote_folder,
    )
    if not site.sealing_keys.sealing_keys(name):
        site.sealing_keys.add(name)
        made = site.sealing_keys.path / name / "1.key"
        click.echo(f"made {made}, which opens the secrets of {name}: keep a copy", err=True)
    options = CaptureOptions(
        root=root,
        image=name,
        sealing=site.sealing(name),
        excluded=excluded(site.config),
        layout_file=layout,
        live=root == LIVE_ROOT or (not wanted.host and root.resolve() == LIVE_ROOT),
        hooks=Hooks(wanted.before, wanted.after),
        full=full,
        trusted=site.trusted,
        wish=Wish(snapshot or wished.snapshots, wished.snapshot_percent),
    )
    report = _captured(site, wanted, options, quiet=as_json)
    if as_json:
        print_json(_document(report))
        return
    for line in report_lines(report):
        click.echo(line)


def _captured(
    site: Site, wanted: HeadConfig, options: CaptureOptions, *, quiet: bool
) -> CaptureReport:
    if not wanted.host:
        with watched(f"capturing {options.root}", quiet=quiet) as progress:
            return capture_generation(options, site.repository, site.signer, progress)
    repository, signer = site.repository, site.signer
    made = build_bundle(site.config.paths.bundle_cache)
    head = Head(Ssh(wanted.host, wanted.ssh_options), wanted.remote_folder or PLACE)
    with watched(f"capturing {wanted.host}", quiet=quiet) as progress:
        return capture_remote(
            options, head, AgentBundle(made.id, made.folder), repository, signer, progress
        )


def excluded(config: Config) -> tuple[bytes, ...]:
    """What never belongs to an image of this site: what is its own, and what it names."""
    own = config.paths
    paths = (own.repository, own.state, own.keys, *config.capture.exclude)
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
    if made.sealed_files:
        lines[0] += f", {made.sealed_files} secrets sealed"
    if report.received_bytes:
        lines[0] += f", {size(report.received_bytes)} received"
    lines += _some(_reading_lines(report))
    lines += _some([f"left out {path_text(each.path)}: {each.reason}" for each in report.left_out])
    lines += _some([f"vanished meanwhile: {path_text(path)}" for path in report.vanished])
    unstable = [f"never held still, kept as last read: {path_text(p)}" for p in report.unstable]
    lines += _some(unstable)
    for warning in report.warnings:
        lines += [f"warning: {warning.sentence}", f"   hint: {warning.hint}"]
    return lines


def _reading_lines(report: CaptureReport) -> list[str]:
    """What was frozen and what was not; where nothing was, only --verbose says why."""
    lines = [
        f"{'frozen' if each.is_snapshot else 'read live'} {path_text(each.place)}: {each.reason}"
        for each in report.readings
    ]
    if any(each.is_snapshot for each in report.readings):
        return lines
    for line in lines:
        log.debug("%s", line)
    return []


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
        "sealed_files": made.sealed_files,
        "received_bytes": report.received_bytes,
        "consistency": made.consistency,
        "readings": [
            {"place": each.place, "snapshot": each.is_snapshot, "reason": each.reason}
            for each in report.readings
        ],
        "seconds": report.seconds,
        "left_out": [{"path": each.path, "reason": each.reason} for each in report.left_out],
        "unstable": report.unstable,
        "vanished": report.vanished,
        "warnings": [{"sentence": w.sentence, "hint": w.hint} for w in report.warnings],
    }
