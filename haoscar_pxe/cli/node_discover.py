"""`haoscar-pxe node discover`: who asks to boot and is no node yet, and names for them by rule."""

from __future__ import annotations

from typing import get_args

import click
import msgspec

from haoscar_pxe.boot.programs import NAMES
from haoscar_pxe.cli.discovering import (
    NamingRule,
    name_once,
    unknown_machines,
    watch_and_name,
    watch_unknown,
)
from haoscar_pxe.cli.duration import Duration
from haoscar_pxe.cli.node_options import arming_for, for_option, uses_option
from haoscar_pxe.cli.node_words import disk_words
from haoscar_pxe.cli.output import json_option, moment, print_json, print_table
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.declare import armed, canonical_mac, checked, interface
from haoscar_pxe.nodes.naming import places, replacement
from haoscar_pxe.nodes.node import Arming, Node, Role, Wipe
from haoscar_pxe.nodes.strangers import Stranger

WITHIN_S = 86_400.0


@click.command()
@click.option("--name", "pattern", help="Name them in their order: r1n[01-16], r[1-4]n[1-32].")
@click.option("--address", "first", help="The address of the pattern's first name: 10.77.0.20/24.")
@click.option("--replace", "replaced", metavar="NODE", help="One of them takes this node's place.")
@click.option("--mac", help="With --replace: which of them. Default: the only one.")
@click.option(
    "--within", type=Duration(), default="1d", show_default=True, help="Seen no longer ago."
)
@click.option("--image", default="primary", show_default=True, help="The image of new nodes.")
@click.option("--role", type=click.Choice(get_args(Role)), default="client", show_default=True)
@click.option("--wipe", type=click.Choice(get_args(Wipe)), default="blank", show_default=True)
@for_option
@uses_option
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--watch", is_flag=True, help="Go on with machines that appear, until it is ended.")
@click.option("--count", type=click.IntRange(1), help="With --watch: end when so many are named.")
@json_option
@pass_site
def discover(
    site: Site,
    pattern: str | None,
    first: str | None,
    replaced: str | None,
    mac: str | None,
    within: float,
    image: str,
    role: Role,
    wipe: Wipe,
    for_s: float | None,
    uses: int | None,
    dry_run: bool,
    watch: bool,
    count: int | None,
    as_json: bool,
) -> None:
    """Machines that ask to boot and are no nodes; with --name or --replace, make them nodes.

    They are in the order in which they appeared, so switch them on in the order of their names.
    The first name gets the first address, the second the second, and so on, whoever is named
    already. New nodes are armed: their next network boot installs them.

    With --watch it names them as they appear, until Ctrl-C, until --count are named or all names
    are given; without --name it only says who appears. --json is then one line a machine.
    """
    if (watch and (replaced or mac or dry_run)) or (count and not watch):
        raise NodeError("--watch goes with --name, and --count with --watch; neither with others")
    if replaced and not pattern:
        arming = arming_for(for_s, uses)
        unknown = unknown_machines(site, within)
        _replace(site, replaced, unknown, mac, arming, dry_run=dry_run)
    elif pattern and first and not replaced and not mac:
        rule = NamingRule(
            places(pattern, first),
            lambda: arming_for(for_s, uses),
            within_s=within,
            image=image,
            role=role,
            wipe=wipe,
            dry_run=dry_run,
        )
        if watch:
            watch_and_name(site, rule, count, as_json=as_json)
        else:
            name_once(site, rule, as_json=as_json)
    elif pattern or first or mac or replaced:
        raise NodeError(
            "--name needs --address, --mac needs --replace, and --name and --replace exclude "
            "each other"
        )
    elif watch:
        watch_unknown(site, within, count, as_json=as_json)
    else:
        _list(unknown_machines(site, within), as_json=as_json)


def _list(strangers: list[Stranger], *, as_json: bool) -> None:
    if as_json:
        print_json([msgspec.structs.asdict(each) for each in strangers])
        return
    rows = [
        [
            each.mac,
            _kind(each),
            each.client_uuid or "-",
            each.vendor_class or "-",
            moment(each.first_ns),
            moment(each.last_ns),
            str(each.asked),
            ", ".join(each.steps),
        ]
        for each in strangers
    ]
    print_table(["MAC", "KIND", "UUID", "CLASS", "FIRST", "LAST", "ASKED", "STEPS"], rows)


def _kind(stranger: Stranger) -> str:
    if not stranger.is_pxe:
        return "boots nothing"
    arch = stranger.arch
    return "BIOS" if arch is None else NAMES.get(arch, f"architecture {arch}")


def _replace(
    site: Site,
    name: str,
    strangers: list[Stranger],
    mac: str | None,
    arming: Arming,
    *,
    dry_run: bool,
) -> None:
    new = replacement(strangers, canonical_mac(mac) if mac else "")

    def swapped(old: Node) -> Node:
        boot = old.boot_interface
        card = interface(new.mac, boot.address, boot.gateway, boot.name)
        return checked(
            armed(msgspec.structs.replace(old, interfaces=(card, *old.interfaces[1:])), arming)
        )

    before = site.registry.get(name)
    after = swapped(before) if dry_run else site.own_registry.change(name, swapped)
    click.echo(
        f"{name} {'would be' if dry_run else 'is'} {new.mac} instead of "
        f"{before.boot_interface.mac}, armed until {moment(arming.until_ns)}: {after.image} on "
        f"{disk_words(after)}"
    )
    for each in after.interfaces[1:]:
        click.echo(f"but {each.mac} {each.address} is still the old machine's card")
