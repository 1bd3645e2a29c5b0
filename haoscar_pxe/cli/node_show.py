"""`haoscar-pxe node show`: all about one node, and its boots as the server saw and heard them."""

from __future__ import annotations

from contextlib import closing

import click

from haoscar_pxe.cli.node_words import NEWEST, disk_words
from haoscar_pxe.cli.output import json_option, moment, print_json, print_table, size
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.nodes.boots import Boot, Moment, boots_of, condensed
from haoscar_pxe.nodes.documents import with_timeline
from haoscar_pxe.nodes.node import Interface, Node
from haoscar_pxe.nodes.timeline import TimelineFile

BAR_CHARACTERS = 20


@click.command()
@click.argument("name")
@click.option(
    "--boots", type=click.IntRange(0), default=1, show_default=True, help="How many, the newest."
)
@json_option
@pass_site
def show(site: Site, name: str, boots: int, as_json: bool) -> None:
    """All about node NAME, and its newest boot step by step.

    What it asked, what it was told, what it fetched at which rate, and what it reported itself;
    the times are seconds from the boot's first question. With --json everything that is known.
    """
    if as_json:
        with closing(TimelineFile(site.config.paths.timeline)) as timeline:
            print_json(with_timeline(site.registry, timeline, name))
        return
    found = site.registry.get(name)
    events = site.registry.events(name)
    with closing(TimelineFile(site.config.paths.timeline)) as timeline:
        happenings = timeline.of(name)
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
    known = boots_of(happenings, events)
    for boot in known[len(known) - min(boots, len(known)) :]:
        _draw(boot)
    if 0 < boots < len(known):
        click.echo(f"\n{len(known) - boots} earlier boots: --boots {len(known)}")


def _draw(boot: Boot) -> None:
    began_ns = boot.moments[0].at_ns
    click.echo(f"\nboot of {moment(began_ns)}: {boot.outcome}")
    for each in condensed(boot.moments):
        click.echo(_moment_line(each, (each.at_ns - began_ns) / 1e9))


def _arming_words(found: Node) -> str:
    given = f"{found.arming.given} of {found.arming.orders} orders given"
    return f"until {moment(found.arming.until_ns)}, {given}" if found.arming.orders else "never"


def _interface_words(each: Interface) -> str:
    gateway = f" via {each.gateway}" if each.gateway else ""
    return f"{each.mac} {each.address}{gateway}{' as ' + each.name if each.name else ''}"


def _moment_line(each: Moment, since_s: float) -> str:
    """One line, and the detail that came with it below."""
    amount = "" if each.size_bytes is None else f"  {size(each.size_bytes)}"
    rate = "" if each.rate is None else f" at {size(int(each.rate))}/s"
    detail = "".join(f"\n{' ' * 28}{line}" for line in each.detail.splitlines())
    words = f"{_bar(each.percent)}{each.message}{amount}{rate}"
    return f"{since_s:+9.1f} s  {each.what:<15} {words}".rstrip() + detail


def _bar(percent: float | None) -> str:
    """How far a step is.

    >>> _bar(42.0), _bar(None)
    ('[########------------]  42 %  ', '')
    """
    if percent is None:
        return ""
    done = round(min(max(percent, 0.0), 100.0) / 100 * BAR_CHARACTERS)
    return f"[{'#' * done}{'-' * (BAR_CHARACTERS - done)}] {percent:3.0f} %  "
