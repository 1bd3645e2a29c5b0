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
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".work/demo"),
    show_default=True,
    help="Where everything it makes lies; a second run reuses it.",
)
@json_option
def demo(root: Path | None, firmware: MachineFirmware, work: Path, as_json: bool) -> None:
    """Make a small head, capture it, network-boot its standby in a virtual machine, prove it.

    Needs root, and QEMU; nothing leaves the network namespace that it makes. Exit status 0 means
    that the standby booted from the network, installed itself, has no difference from the image
    beyond its declared identity, and answers under its own name and address.
    """
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
