"""`haoscar-pxe node`: the machines that boot from here, and what each is to become.

`show` and `discover` have files of their own.
"""

from __future__ import annotations

from contextlib import closing
from ipaddress import IPv4Interface
from typing import get_args

import click
import msgspec

from haoscar_pxe.cli.node_discover import discover
from haoscar_pxe.cli.node_options import arming_for, for_option, uses_option
from haoscar_pxe.cli.node_show import show
from haoscar_pxe.cli.node_words import NEWEST, disk_words
from haoscar_pxe.cli.output import json_option, moment, print_json, print_table
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.changing import forget
from haoscar_pxe.nodes.declare import armed, checked, interface, new_node
from haoscar_pxe.nodes.documents import public
from haoscar_pxe.nodes.node import Interface, Node, NodeState, Role, Wipe
from haoscar_pxe.nodes.timeline import TimelineFile


@click.group()
def node() -> None:
    """The machines that boot from here: add, discover, list, show, set, remove."""


for command in (show, discover):
    node.add_command(command)


@node.command()
@click.argument("name")
@click.option("--mac", required=True, help="Of the interface it network-boots from.")
@click.option("--address", required=True, help="Its own address there, as 10.77.0.20/24.")
@click.option("--gateway", default="", help="Its default gateway. Default: the site's.")
@click.option("--interface", "named", default="", help="Name of that interface on the standby.")
@click.option("--also", multiple=True, help="Another interface: MAC,ADDRESS[,GATEWAY[,NAME]].")
@click.option("--image", default="primary", show_default=True, help="The image it is made from.")
@click.option("--generation", type=int, help="Always this generation. Default: the newest.")
@click.option("--role", type=click.Choice(get_args(Role)), default="standby", show_default=True)
@click.option("--disk", default="auto", show_default=True, help="auto, /dev/…, serial:… or wwn:….")
@click.option(
    "--wipe",
    type=click.Choice(get_args(Wipe)),
    default="blank",
    show_default=True,
    help="blank: only an empty disk is touched. any: the chosen disk is erased.",
)
@for_option
@uses_option
@pass_site
def add(
    site: Site,
    name: str,
    for_s: float | None,
    uses: int | None,
    mac: str,
    address: str,
    gateway: str,
    named: str,
    also: tuple[str, ...],
    image: str,
    generation: int | None,
    role: Role,
    disk: str,
    wipe: Wipe,
) -> None:
    """Make machine NAME known, and arm it: its next network boot installs it.

    The order that it is then given opens the secrets of the image, so it is given for a time and a
    number of times only.
    """
    first = interface(mac, address, gateway, named)
    made = new_node(
        name,
        arming=arming_for(for_s, uses),
        role=role,
        image=image,
        interfaces=(first, *(_interface(each) for each in also)),
        generation=generation,
        disk=disk,
        wipe=wipe,
    )
    site.own_registry.add(made)
    click.echo(
        f"{name} is armed until {moment(made.arming.until_ns)}: its next network boot installs "
        f"{image} on {disk_words(made)}"
    )
    for remark in _remarks(site, made):
        click.echo(f"but {remark}")


@node.command("list")
@json_option
@pass_site
def list_nodes(site: Site, as_json: bool) -> None:
    """All nodes, and where each stands."""
    nodes = site.registry.nodes()
    if as_json:
        print_json([public(each) for each in nodes])
        return
    rows = [
        [
            each.name,
            each.role,
            each.state.value,
            each.image,
            _generation(each),
            each.boot_interface.mac,
            each.boot_interface.address,
        ]
        for each in nodes
    ]
    print_table(["NAME", "ROLE", "STATE", "IMAGE", "GENERATION", "MAC", "ADDRESS"], rows)


@node.command("set")
@click.argument("name")
@click.option("--install", "install", is_flag=True, help="Arm it: its next network boot installs.")
@for_option
@uses_option
@click.option("--installed", is_flag=True, help="Count it as installed: it boots its own disk.")
@click.option("--image", help="The image it is made from.")
@click.option("--generation", help=f"A number, or '{NEWEST}'.")
@click.option("--mac", help="Of its boot interface: a machine was swapped.")
@click.option("--address", help="Of its boot interface.")
@click.option("--gateway", help="Of its boot interface; '' for none.")
@click.option("--disk", help="auto, /dev/…, serial:… or wwn:….")
@click.option("--wipe", type=click.Choice(get_args(Wipe)), help="See 'node add --help'.")
@pass_site
def set_node(
    site: Site,
    name: str,
    install: bool,
    for_s: float | None,
    uses: int | None,
    installed: bool,
    image: str | None,
    generation: str | None,
    mac: str | None,
    address: str | None,
    gateway: str | None,
    disk: str | None,
    wipe: Wipe | None,
) -> None:
    """Change node NAME; what is not given stays."""
    if install and installed:
        raise NodeError("--install and --installed contradict each other")
    if not install and (for_s or uses):
        raise NodeError("--for and --uses say how --install arms it; give that too")
    armed_now = arming_for(for_s, uses)

    def changed(old: Node) -> Node:
        boot = old.boot_interface
        first = interface(
            mac or boot.mac,
            address or boot.address,
            boot.gateway if gateway is None else gateway,
            boot.name,
        )
        new = msgspec.structs.replace(
            old,
            interfaces=(first, *old.interfaces[1:]),
            image=image or old.image,
            generation=old.generation if generation is None else _generation_number(generation),
            disk=disk or old.disk,
            wipe=wipe or old.wipe,
            state=NodeState.INSTALLED if installed else old.state,
        )
        return checked(armed(new, armed_now) if install else new)

    after = site.own_registry.change(name, changed)
    until = f" until {moment(after.arming.until_ns)}" if install else ""
    click.echo(f"{name} is {after.state.value}{until}; {after.image} on {disk_words(after)}")


@node.command()
@click.argument("name")
@pass_site
def remove(site: Site, name: str) -> None:
    """Forget node NAME and what it reported. Its disk is not touched."""
    with closing(TimelineFile(site.config.paths.timeline)) as timeline:
        gone = forget(site.own_registry, timeline, name)
    click.echo(f"{name} ({gone.boot_interface.mac}) is forgotten; it is a stranger from now on")


def _remarks(site: Site, made: Node) -> list[str]:
    """What is allowed, and yet will keep the node from being installed as things stand."""
    remarks = []
    if made.image not in site.repository.images():
        remarks.append(f"there is no image yet: 'haoscar-pxe capture {made.image}' makes it")
    served = site.config.serve.ip.network
    if IPv4Interface(made.boot_interface.address).ip not in served:
        remarks.append(f"{made.boot_interface.address} is not in {served}, which is served here")
    return remarks


def _interface(text: str) -> Interface:
    fields = text.split(",")
    if not 2 <= len(fields) <= 4:
        raise NodeError(f"'{text}' is no interface", hint="write MAC,ADDRESS[,GATEWAY[,NAME]]")
    return interface(*fields)


def _generation_number(text: str) -> int | None:
    if text == NEWEST:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise NodeError(f"'{text}' is no generation", hint=f"a number from 1 on, or '{NEWEST}'")
    return int(text)


def _generation(found: Node) -> str:
    return str(found.generation or NEWEST)
