"""Names and addresses by rule for machines in the order in which they appeared. Pure.

The rule pairs the first name with the first address, the second with the second, whoever is named
already: a machine's place in the rack tells its address, and a second run goes on where the first
one ended.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from itertools import product
from typing import Final

from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.declare import check_name
from haoscar_pxe.nodes.strangers import Stranger

MOST_NAMES: Final = 65_536
NO_UUID: Final = ("", "0" * 32, "f" * 32)
"""What boards say that were never given one."""
_BRACKETS: Final = re.compile(r"\[([^\[\]]*)\]")
_PART: Final = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


@dataclass(frozen=True, slots=True)
class Place:
    """A name of the rule and the address that goes with it, with its prefix length."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Naming:
    """Who gets which place, and whom the rule leaves alone and why."""

    named: tuple[tuple[Stranger, Place], ...]
    left: tuple[tuple[Stranger, str], ...]


def names_of(pattern: str) -> list[str]:
    """The names of a pattern in its order. Raises NodeError unless each can be a host's.

    >>> names_of("r[1-2]n[08-10,12]")
    ['r1n08', 'r1n09', 'r1n10', 'r1n12', 'r2n08', 'r2n09', 'r2n10', 'r2n12']
    """
    texts = _BRACKETS.split(pattern)
    ranges = [_numbers(text, pattern) for text in texts[1::2]]
    count = 1
    for each in ranges:
        count *= len(each)
    if count > MOST_NAMES:
        raise NodeError(f"'{pattern}' makes {count} names, more than {MOST_NAMES}")
    names = []
    for numbers in product(*ranges):
        between = [*numbers, ""]
        names.append("".join(a + b for a, b in zip(texts[::2], between, strict=True)))
    for name in names:
        check_name(name)
    if len(set(names)) < len(names):
        raise NodeError(f"'{pattern}' makes a name twice")
    return names


def _numbers(text: str, pattern: str) -> list[str]:
    """What stands between brackets: 1-16, 01-16 or 1,3,5-8."""
    numbers: list[str] = []
    for part in text.split(","):
        found = _PART.fullmatch(part)
        if found is None:
            raise NodeError(
                f"'[{text}]' in '{pattern}' is no range", hint="write r1n[01-16], r[1-4]n[1,3,5-8]"
            )
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first or last - first >= MOST_NAMES:
            raise NodeError(f"'{part}' in '{pattern}' goes from {first} to {last}")
        numbers += [str(number).zfill(len(found[1])) for number in range(first, last + 1)]
    return numbers


def places(pattern: str, first_address: str) -> list[Place]:
    """The pattern's names with the addresses from the first one on (10.77.0.20/24)."""
    names = names_of(pattern)
    try:
        first = IPv4Interface(first_address)
    except ValueError as error:
        raise NodeError(f"'{first_address}' is no address: {error}") from error
    last = int(first.ip) + len(names) - 1
    if "/" not in first_address:
        raise NodeError(
            f"address '{first_address}' has no prefix length", hint=f"write {first_address}/24"
        )
    if last >= int(first.network.broadcast_address):
        raise NodeError(
            f"'{pattern}' makes {len(names)} names, and {first.network} does not have so many "
            f"addresses from {first.ip} on"
        )
    prefix = first.network.prefixlen
    return [Place(name, f"{first.ip + number}/{prefix}") for number, name in enumerate(names)]


def free_places(
    rule: Sequence[Place], taken_names: Iterable[str], taken_addresses: Iterable[IPv4Address]
) -> list[Place]:
    """Those whose name and address nobody has."""
    names, addresses = set(taken_names), set(taken_addresses)
    return [
        place
        for place in rule
        if place.name not in names and IPv4Interface(place.address).ip not in addresses
    ]


def plan_naming(
    rule: Sequence[Place],
    strangers: Sequence[Stranger],
    is_node: Callable[[str], bool],
    taken_names: Iterable[str],
    taken_addresses: Iterable[IPv4Address],
) -> Naming:
    """Give the free places to the machines that network-boot, in their order.

    strangers: all that were seen, in the order in which they appeared; is_node: whether this MAC is
    a node's by now. A machine with several cards is one machine, told by its UUID.
    """
    free = iter(free_places(rule, taken_names, taken_addresses))
    seen = {each.client_uuid: each.mac for each in strangers if is_node(each.mac)}
    named: list[tuple[Stranger, Place]] = []
    left: list[tuple[Stranger, str]] = []
    for stranger in (each for each in strangers if not is_node(each.mac)):
        uuid = stranger.client_uuid
        if not stranger.is_pxe:
            left.append((stranger, "it never asked for something to boot"))
        elif uuid not in NO_UUID and uuid in seen:
            left.append((stranger, f"it is another card of the machine with {seen[uuid]}"))
        elif (place := next(free, None)) is None:
            left.append((stranger, "all names of the pattern are given"))
        else:
            named.append((stranger, place))
            seen[uuid] = stranger.mac
    return Naming(tuple(named), tuple(left))


def replacement(strangers: Sequence[Stranger], mac: str) -> Stranger:
    """The machine that was put in another's place: this one, or the only one that network-boots.

    mac: "" for the only one. Raises NodeError naming those that it might be.
    """
    booting = [each for each in strangers if each.is_pxe]
    if mac:
        booting = [each for each in strangers if each.mac == mac]
        if not booting:
            raise NodeError(
                f"no unknown machine with the MAC {mac} has asked for anything",
                hint="'haoscar-pxe node discover' lists those that have; 'node set --mac' needs "
                "none of them",
            )
    if len(booting) == 1:
        return booting[0]
    if not booting:
        raise NodeError(
            "no unknown machine has asked for something to boot",
            hint="switch the new machine on and let it boot from the network",
        )
    raise NodeError(
        f"{len(booting)} unknown machines have asked for something to boot: "
        + ", ".join(each.mac for each in booting),
        hint="name the new one with --mac",
    )
