"""Unknown machines become nodes by rule: those that are there, or each as it appears.

What the rule makes of whom is `nodes.naming`; this asks the site, adds nodes and says so.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import Final

import click
import msgspec

from haoscar_pxe.cli.node_words import disk_words
from haoscar_pxe.cli.output import moment, print_json
from haoscar_pxe.cli.site import Site
from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.declare import interface, new_node
from haoscar_pxe.nodes.naming import Naming, Place, free_places, plan_naming
from haoscar_pxe.nodes.node import Arming, Node, Role, Wipe
from haoscar_pxe.nodes.strangers import Stranger, StrangerFile

LOOK_EVERY_S: Final = 0.5
"""The server writes down whom it saw every two seconds."""


@dataclass(frozen=True, slots=True)
class NamingRule:
    """Who is named what, and what becomes of it. arming: one that begins when it is asked."""

    places: list[Place]
    arming: Callable[[], Arming]
    within_s: float
    image: str
    role: Role
    wipe: Wipe
    dry_run: bool = False


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A machine that was looked at, for programs. name, address: "" if it is left; left: why."""

    mac: str
    name: str = ""
    address: str = ""
    left: str = ""


def name_once(site: Site, rule: NamingRule, *, as_json: bool) -> None:
    """Name those that were seen."""
    naming = _plan(site, rule)
    done = [_named(site, rule, stranger, place, as_json) for stranger, place in naming.named]
    done += [Named(mac=stranger.mac, left=why) for stranger, why in naming.left]
    if as_json:
        print_json(done)
        return
    for stranger, why in naming.left:
        click.echo(f"{stranger.mac} is left: {why}")
    if not naming.named:
        click.echo("nobody was named")


def watch_and_name(site: Site, rule: NamingRule, count: int | None, *, as_json: bool) -> None:
    """Name those that were seen and those that appear, until all names or `count` are given."""
    watch = _Watch(site, rule, count, as_json)
    with suppress(KeyboardInterrupt):
        while not watch.look():
            time.sleep(LOOK_EVERY_S)
    click.echo(f"{watch.number} named", err=True)


class _Watch:
    """number: how many were named."""

    def __init__(self, site: Site, rule: NamingRule, count: int | None, as_json: bool) -> None:
        self._site = site
        self._rule = rule
        self._count = len(rule.places) if count is None else count
        self._as_json = as_json
        self._told: set[tuple[str, str]] = set()
        self.number = 0

    def look(self) -> bool:
        """Name whoever is there by now; whether that was all."""
        naming = _plan(self._site, self._rule)
        for stranger, place in naming.named[: self._count - self.number]:
            self._name(stranger, place)
        for stranger, why in naming.left:
            if (stranger.mac, why) not in self._told:
                self._told.add((stranger.mac, why))
                _line(Named(mac=stranger.mac, left=why), self._as_json)
        free = free_places(self._rule.places, *_taken(self._site))
        return self.number == self._count or not free

    def _name(self, stranger: Stranger, place: Place) -> None:
        """Somebody else may declare nodes meanwhile: then it is looked at again."""
        try:
            named = _named(self._site, self._rule, stranger, place, self._as_json)
        except NodeError as error:
            click.echo(f"{stranger.mac}: {error}", err=True)
            return
        self.number += 1
        _line(named, self._as_json)


def watch_unknown(site: Site, within_s: float, count: int | None, *, as_json: bool) -> None:
    """Say who is unknown, each once, as it appears."""
    told: set[str] = set()
    with suppress(KeyboardInterrupt):
        while True:
            for stranger in unknown_machines(site, within_s):
                if stranger.mac not in told and len(told) != count:
                    told.add(stranger.mac)
                    _say_unknown(stranger, as_json)
            if len(told) == count:
                return
            time.sleep(LOOK_EVERY_S)


def unknown_machines(site: Site, within_s: float) -> list[Stranger]:
    """Those seen no longer ago that are no nodes, in the order in which they appeared."""
    return [each for each in _seen(site, within_s) if site.registry.by_mac(each.mac) is None]


def _seen(site: Site, within_s: float) -> list[Stranger]:
    oldest_ns = time.time_ns() - int(within_s * 1e9)
    with closing(StrangerFile(site.config.paths.strangers)) as file:
        return [each for each in file.all() if each.last_ns >= oldest_ns]


def _plan(site: Site, rule: NamingRule) -> Naming:
    macs = {card.mac for each in site.registry.nodes() for card in each.interfaces}
    seen = _seen(site, rule.within_s)
    return plan_naming(rule.places, seen, macs.__contains__, *_taken(site))


def _taken(site: Site) -> tuple[set[str], set[IPv4Address]]:
    """Names and addresses that somebody has."""
    nodes = site.registry.nodes()
    addresses = {IPv4Interface(card.address).ip for each in nodes for card in each.interfaces}
    return {each.name for each in nodes}, {*addresses, site.config.serve.ip.ip}


def _named(site: Site, rule: NamingRule, stranger: Stranger, place: Place, as_json: bool) -> Named:
    made = _node(rule, stranger, place)
    if not rule.dry_run:
        site.own_registry.add(made)
    if not as_json:
        click.echo(
            f"{stranger.mac} {'would be' if rule.dry_run else 'is'} {made.name} {place.address}, "
            f"armed until {moment(made.arming.until_ns)}: {rule.image} on {disk_words(made)}"
        )
    return Named(mac=stranger.mac, name=made.name, address=place.address)


def _node(rule: NamingRule, stranger: Stranger, place: Place) -> Node:
    return new_node(
        place.name,
        role=rule.role,
        image=rule.image,
        interfaces=(interface(stranger.mac, place.address),),
        wipe=rule.wipe,
        arming=rule.arming(),
    )


def _line(named: Named, as_json: bool) -> None:
    """One line a machine; for people what was named has been said."""
    if as_json:
        click.echo(json.dumps(msgspec.structs.asdict(named)))
    elif named.left:
        click.echo(f"{named.mac} is left: {named.left}")


def _say_unknown(stranger: Stranger, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(msgspec.structs.asdict(stranger)))
    else:
        asked = ", ".join(stranger.steps) or "nothing"
        click.echo(f"{stranger.mac} {stranger.vendor_class or '-'} asked for {asked}")
