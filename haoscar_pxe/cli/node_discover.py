"""`haoscar-pxe node discover`: who asks to boot and is no node yet, and names for them by rule."""

from __future__ import annotations

import time
from contextlib import closing
from ipaddress import IPv4Interface
from typing import get_args

import click
import msgspec

from haoscar_pxe.boot.programs import NAMES
from haoscar_pxe.cli.duration import Duration
from haoscar_pxe.cli.node_options import arming_for, for_option, uses_option
from haoscar_pxe.cli.node_words import disk_words
from haoscar_pxe.cli.output import json_option, moment, print_json, print_table
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.declare import armed, canonical_mac, checked, interface, new_node
from haoscar_pxe.nodes.naming import Naming, places, plan_naming, replacement
from haoscar_pxe.nodes.node import Arming, Node, Role, Wipe
from haoscar_pxe.nodes.strangers import Stranger, StrangerFile

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
    as_json: bool,
) -> None:
    """Machines that ask to boot and are no nodes; with --name or --replace, make them nodes.

    They are in the order in which they appeared, so switch them on in the order of their names.
    The first name gets the first address, the second the second, and so on, whoever is named
    already. New nodes are armed: their next network boot installs them.
    """
    strangers = _seen(site, within)
    arming = arming_for(for_s, uses)
    if replaced and not pattern:
        _replace(site, replaced, _unknown(site, strangers), mac, arming, dry_run=dry_run)
    elif pattern and first and not replaced and not mac:
        naming = _plan(site, strangers, pattern, first)
        _name(site, naming, image, role, wipe, arming, dry_run=dry_run)
    elif pattern or first or mac or replaced:
        raise NodeError(
            "--name needs --address, --mac needs --replace, and --name and --replace exclude "
            "each other"
        )
    else:
        _list(_unknown(site, strangers), as_json=as_json)


def _plan(site: Site, strangers: list[Stranger], pattern: str, first: str) -> Naming:
    nodes = site.registry.nodes()
    cards = [card for each in nodes for card in each.interfaces]
    macs = {card.mac for card in cards}
    addresses = {IPv4Interface(card.address).ip for card in cards} | {site.config.serve.ip.ip}
    names = {each.name for each in nodes}
    return plan_naming(places(pattern, first), strangers, macs.__contains__, names, addresses)


def _seen(site: Site, within_s: float) -> list[Stranger]:
    oldest_ns = time.time_ns() - int(within_s * 1e9)
    with closing(StrangerFile(site.config.paths.strangers)) as file:
        return [each for each in file.all() if each.last_ns >= oldest_ns]


def _unknown(site: Site, strangers: list[Stranger]) -> list[Stranger]:
    return [each for each in strangers if site.registry.by_mac(each.mac) is None]


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


def _name(
    site: Site,
    naming: Naming,
    image: str,
    role: Role,
    wipe: Wipe,
    arming: Arming,
    *,
    dry_run: bool,
) -> None:
    for stranger, place in naming.named:
        card = interface(stranger.mac, place.address)
        made = new_node(
            place.name, role=role, image=image, interfaces=(card,), wipe=wipe, arming=arming
        )
        if not dry_run:
            site.own_registry.add(made)
        click.echo(
            f"{stranger.mac} {'would be' if dry_run else 'is'} {made.name} {place.address}, "
            f"armed until {moment(arming.until_ns)}: {image} on {disk_words(made)}"
        )
    for stranger, why in naming.left:
        click.echo(f"{stranger.mac} is left: {why}")
    if not naming.named:
        click.echo("nobody was named")


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
