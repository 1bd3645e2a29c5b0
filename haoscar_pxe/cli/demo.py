"""`haoscar-pxe demo`: the main job for real, in a folder of its own, from nothing to a standby."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from haoscar_pxe.cli.narrator import Storyteller
from haoscar_pxe.cli.output import json_option, print_json
from haoscar_pxe.cli.progress import watched
from haoscar_pxe.errors import RehearsalError
from haoscar_pxe.rehearse.demo import demo_summary, run_demo
from haoscar_pxe.rehearse.firmware import MachineFirmware
from haoscar_pxe.rehearse.takeover import run_takeover, takeover_summary


@click.command()
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Capture this tree instead of making a small Debian head.",
)
@click.option(
    "--firmware",
    type=click.Choice(get_args(MachineFirmware)),
    default="bios",
    show_default=True,
    help="What head and standby boot by.",
)
@click.option(
    "--failover",
    "is_failover",
    is_flag=True,
    help="Go on: the head runs, loses its power, and the standby takes over.",
)
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".work/demo"),
    show_default=True,
    help="Where everything it makes lies; a second run reuses it.",
)
@json_option
def demo(
    root: Path | None, firmware: MachineFirmware, is_failover: bool, work: Path, as_json: bool
) -> None:
    """Make a small head, capture it, network-boot its standby in a virtual machine, prove it.

    Needs root, and QEMU; nothing leaves the network namespace that it makes. Exit status 0 means
    that the standby booted from the network, installed itself, has no difference from the image
    beyond its declared identity, and answers under its own name and address; with --failover also
    that it took over from a primary that lost its power, and that the primary kept still after it
    came back.
    """
    if is_failover:
        _failover(root, firmware, work, as_json)
        return
    report = run_demo(work, root, Storyteller(), watched, firmware)
    if as_json:
        print_json(report)
    else:
        click.echo("\n".join(["", *demo_summary(report)]))
    if not report.ok:
        raise RehearsalError(
            "the demo's standby is not what it must be",
            hint=f"logs and consoles are in {report.rehearsal.folder}",
        )


def _failover(root: Path | None, firmware: MachineFirmware, work: Path, as_json: bool) -> None:
    if root is not None or firmware != "bios":
        raise click.UsageError("--failover runs its own head, which boots by BIOS")
    report = run_takeover(work, Storyteller(), watched)
    if as_json:
        print_json(report)
    else:
        click.echo("\n".join(["", *takeover_summary(report)]))
    if not report.ok:
        raise RehearsalError(
            "the take-over is not what it must be", hint=f"logs and consoles are in {work}/takeover"
        )
