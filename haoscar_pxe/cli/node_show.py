"""`haoscar-pxe node show`: all about one node, and what it reported."""

from __future__ import annotations

import click
import msgspec

from haoscar_pxe.cli.node_words import NEWEST, disk_words, public
from haoscar_pxe.cli.output import json_option, moment, print_json, print_table
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.nodes.node import Interface, Node
from haoscar_pxe.nodes.registry import RecordedEvent


@click.command()
@click.argument("name")
@json_option
@pass_site
def show(site: Site, name: str, as_json: bool) -> None:
    """All about node NAME, and what it reported."""
    found = site.registry.get(name)
    events = site.registry.events(name)
    if as_json:
        print_json({**public(found), "events": [_event(each) for each in events]})
        return
    interfaces = "; ".join(_interface_words(each) for each in found.interfaces)
    rows = [
        ["role", found.role],
        ["state", found.state.value],
        ["armed", _arming_words(found)],
        ["image", f"{found.image}, {found.generation or NEWEST} generation"],
        ["ordered", str(found.ordered_generation or "nothing yet")],
        ["interfaces", interfaces],
        ["disk", disk_words(found)],
        ["machine-id", found.machine_id],
    ]
    print_table([found.name, ""], rows)
    for each in events:
        click.echo(_event_line(each))


def _arming_words(found: Node) -> str:
    given = f"{found.arming.given} of {found.arming.orders} orders given"
    return f"until {moment(found.arming.until_ns)}, {given}" if found.arming.orders else "never"


def _interface_words(each: Interface) -> str:
    gateway = f" via {each.gateway}" if each.gateway else ""
    return f"{each.mac} {each.address}{gateway}{' as ' + each.name if each.name else ''}"


def _event(each: RecordedEvent) -> dict[str, object]:
    return {"at_ns": each.at_ns, **msgspec.structs.asdict(each.event)}


def _event_line(each: RecordedEvent) -> str:
    percent = "" if each.event.percent is None else f"{each.event.percent:4.0f} %"
    detail = "".join(f"\n{' ' * 22}{line}" for line in each.event.detail.splitlines())
    return f"{moment(each.at_ns)}  {each.event.step:<13}{percent:<7}{each.event.message}{detail}"
