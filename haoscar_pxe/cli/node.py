"""`haoscar-pxe node`: the machines that boot from here, and what each is to become."""

from __future__ import annotations

import time
from ipaddress import IPv4Interface
from typing import get_args

import click
import msgspec

from haoscar_pxe.cli.duration import Duration
from haoscar_pxe.cli.output import json_option, moment, print_json, print_table
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.arming import ARMED_FOR_S, ORDERS_PER_ARMING, new_arming
from haoscar_pxe.nodes.declare import armed, checked, interface, new_node
from haoscar_pxe.nodes.node import Arming, Interface, Node, NodeState, Role, Wipe
from haoscar_pxe.nodes.registry import RecordedEvent

HIDDEN = "(hidden)"
NEWEST = "newest"

for_option = click.option(
    "--for", "for_s", type=Duration(), help="How long it stays armed: 90m, 8h, 2d. Default: 24h."
)
uses_option = click.option(
    "--uses",
    type=click.IntRange(1, 100),
    help=f"How many orders it may be given meanwhile; each installation that is begun anew takes "
    f"one. Default: {ORDERS_PER_ARMING}.",
)


@click.group()
def node() -> None:
    """The machines that boot from here: add, list, show, set, remove."""


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
        arming=_arming(for_s, uses),
        role=role,
        image=image,
        interfaces=(first, *(_interface(each) for each in also)),
        generation=generation,
        disk=disk,
        wipe=wipe,
    )
    site.registry.add(made)
    click.echo(
        f"{name} is armed until {moment(made.arming.until_ns)}: its next network boot installs "
        f"{image} on {_disk_words(made)}"
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
        print_json([_public(each) for each in nodes])
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


@node.command()
@click.argument("name")
@json_option
@pass_site
def show(site: Site, name: str, as_json: bool) -> None:
    """All about node NAME, and what it reported."""
    found = site.registry.get(name)
    events = site.registry.events(name)
    if as_json:
        print_json({**_public(found), "events": [_event(each) for each in events]})
        return
    interfaces = "; ".join(_interface_words(each) for each in found.interfaces)
    rows = [
        ["role", found.role],
        ["state", found.state.value],
        ["armed", _arming_words(found)],
        ["image", f"{found.image}, {found.generation or NEWEST} generation"],
        ["ordered", str(found.ordered_generation or "nothing yet")],
        ["interfaces", interfaces],
        ["disk", _disk_words(found)],
        ["machine-id", found.machine_id],
    ]
    print_table([found.name, ""], rows)
    for each in events:
        click.echo(_event_line(each))


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
    armed_now = _arming(for_s, uses)

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

    after = site.registry.change(name, changed)
    until = f" until {moment(after.arming.until_ns)}" if install else ""
    click.echo(f"{name} is {after.state.value}{until}; {after.image} on {_disk_words(after)}")


@node.command()
@click.argument("name")
@pass_site
def remove(site: Site, name: str) -> None:
    """Forget node NAME and what it reported. Its disk is not touched."""
    gone = site.registry.remove(name)
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


def _disk_words(found: Node) -> str:
    disk = "the only disk that fits" if found.disk == "auto" else found.disk
    return f"{disk}, {'if it is blank' if found.wipe == 'blank' else 'whatever is on it'}"


def _arming(for_s: float | None, uses: int | None) -> Arming:
    return new_arming(time.time_ns(), for_s=for_s or ARMED_FOR_S, orders=uses or ORDERS_PER_ARMING)


def _arming_words(found: Node) -> str:
    given = f"{found.arming.given} of {found.arming.orders} orders given"
    return f"until {moment(found.arming.until_ns)}, {given}" if found.arming.orders else "never"


def _interface_words(each: Interface) -> str:
    gateway = f" via {each.gateway}" if each.gateway else ""
    return f"{each.mac} {each.address}{gateway}{' as ' + each.name if each.name else ''}"


def _public(found: Node) -> dict[str, object]:
    return {**msgspec.structs.asdict(found), "order_token": HIDDEN}


def _event(each: RecordedEvent) -> dict[str, object]:
    return {"at_ns": each.at_ns, **msgspec.structs.asdict(each.event)}


def _event_line(each: RecordedEvent) -> str:
    percent = "" if each.event.percent is None else f"{each.event.percent:4.0f} %"
    detail = "".join(f"\n{' ' * 22}{line}" for line in each.event.detail.splitlines())
    return f"{moment(each.at_ns)}  {each.event.step:<13}{percent:<7}{each.event.message}{detail}"
