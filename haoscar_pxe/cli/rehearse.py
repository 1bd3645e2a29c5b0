"""`haoscar-pxe rehearse`: would this standby boot, install itself and come up? Try it."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click
import msgspec

from haoscar_pxe.cli.narrator import Storyteller
from haoscar_pxe.cli.output import json_option, print_json
from haoscar_pxe.cli.progress import watched
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.errors import RehearsalError
from haoscar_pxe.rehearse.firmware import MachineFirmware
from haoscar_pxe.rehearse.hardware import GIB, DiskBus, Nic
from haoscar_pxe.rehearse.probe import Page, Probe
from haoscar_pxe.rehearse.rehearsal import Request
from haoscar_pxe.rehearse.rehearsal import rehearse as run_rehearsal
from haoscar_pxe.rehearse.report import summary


@click.command()
@click.argument("name")
@click.option("--generation", type=int, help="Default: the node's, else the newest.")
@click.option("--page", help="Text that the standby's web page must contain.")
@click.option("--memory", "memory_mib", default=1536, show_default=True, help="MiB of memory.")
@click.option("--processors", default=2, show_default=True, help="How many processors.")
@click.option(
    "--nic",
    type=click.Choice(get_args(Nic)),
    default="virtio",
    show_default=True,
    help="Its network cards.",
)
@click.option(
    "--disk-bus",
    type=click.Choice(get_args(DiskBus)),
    default="virtio",
    show_default=True,
    help="What its disk hangs on.",
)
@click.option(
    "--firmware",
    type=click.Choice(get_args(MachineFirmware)),
    help="What it boots by. Default: as the head does.",
)
@click.option("--only-start", is_flag=True, help="End when the installer runs; install nothing.")
@click.option("--disk", "disk_gib", default=0, help="GiB of its disk. Default: as on the head.")
@click.option(
    "--work", type=click.Path(file_okay=False, path_type=Path), help="Where logs and disk lie."
)
@json_option
@pass_site
def rehearse(
    site: Site,
    name: str,
    generation: int | None,
    page: str | None,
    memory_mib: int,
    processors: int,
    nic: Nic,
    disk_bus: DiskBus,
    firmware: MachineFirmware | None,
    only_start: bool,
    disk_gib: int,
    work: Path | None,
    as_json: bool,
) -> None:
    """Prove that node NAME would boot: with a virtual machine, in a network of its own.

    The machine network-boots from the real repository, installs itself on a blank disk, is
    compared with the generation byte for byte, reboots and is probed. The real node, its registry
    entry and the real network are not touched. Needs root, and QEMU.
    """
    node = site.registry.get(name)
    if generation is not None:
        node = msgspec.structs.replace(node, generation=generation)
    address = node.boot_interface.address.partition("/")[0]
    probes: tuple[Probe, ...] = (Page(address, contains=page),) if page else ()
    request = Request(
        site=site.config,
        node=node,
        work=(work or Path(site.config.paths.state) / "rehearsals").absolute(),
        probes=probes,
        memory_mib=memory_mib,
        processors=processors,
        nic=nic,
        disk_bus=disk_bus,
        disk_bytes=disk_gib * GIB,
        firmware=firmware,
        only_start=only_start,
    )
    report = run_rehearsal(request, Storyteller(), watched)
    if as_json:
        print_json(report)
    else:
        click.echo("\n".join(["", *summary(report)]))
    if not report.ok:
        raise RehearsalError(
            f"{name} is not what it must be", hint=f"logs and consoles are in {report.folder}"
        )
