"""`haoscar-pxe status`: how far each standby is behind its primary, in seconds and bytes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from haoscar_pxe.cli.output import json_option, moment, print_json, print_table, size
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.config_failover import FailoverConfig
from haoscar_pxe.errors import FailoverError, HaoscarError, StaleError
from haoscar_pxe.image.differing import new_bytes
from haoscar_pxe.image.mirror_record import MirrorRecord, read_record
from haoscar_pxe.image.page_entries import page_reader
from haoscar_pxe.monitor.standing import Standing
from haoscar_pxe.monitor.talk import ask
from haoscar_pxe.nodes.registry import RecordedEvent
from haoscar_pxe.nodes.staleness import Captured, Staleness, complaints, staleness


@dataclass(frozen=True, slots=True)
class _Image:
    """One image. age_s: since its newest generation was captured."""

    image: str
    generations: int
    newest: int
    age_s: float


@dataclass(frozen=True, slots=True)
class _Row:
    """One node. behind_bytes: content of the newest generation that its own lacks."""

    staleness: Staleness
    behind_bytes: int | None
    last: RecordedEvent | None


@click.command()
@click.option("--max-age", type=float, metavar="SECONDS", help="Complain of older recovery points.")
@json_option
@pass_site
def status(site: Site, max_age: float | None, as_json: bool) -> None:
    """Say which generation each standby has, and what would be lost if it took over now.

    A repository that mirrors another one says as of when it holds all of it. Exit status 0 only if
    every standby is installed and, without --max-age, has the newest
    generation (or the one it is pinned to); with --max-age, if none is older than that.
    """
    now_ns = time.time_ns()
    images = {name: list(_captured(site, name)) for name in site.repository.images()}
    known = [_image(name, found, now_ns) for name, found in images.items()]
    rows = [
        _row(site, staleness(node, images.get(node.image, []), now_ns))
        for node in site.registry.nodes()
        if node.role == "standby"
    ]
    found = complaints([row.staleness for row in rows], max_age)
    mirrored = read_record(Path(site.config.paths.state))
    if mirrored is not None and max_age is not None and _age_s(mirrored, now_ns) > max_age:
        found.append(f"the mirror is as of {_duration(_age_s(mirrored, now_ns))} ago")
    if as_json:
        document = {"images": known, "nodes": list(map(_document, rows)), "complaints": found}
        print_json({**document, "mirror": mirrored})
    else:
        _print(known, rows)
        for line in _heads(site.config.failover):
            click.echo(f"\n{line}")
        if mirrored is not None:
            age = _duration(_age_s(mirrored, now_ns))
            click.echo(f"\nthis is a mirror of {mirrored.where}, complete as of {age} ago")
    if found:
        raise StaleError(
            "; ".join(found), hint="'haoscar-pxe sync' on the standby, or docs/sync.md"
        )


def _heads(config: FailoverConfig) -> list[str]:
    """Who is active, in the words of this machine's monitor; nothing where there is no failover."""
    if not config.network:
        return []
    try:
        found = msgspec.convert(ask(Path(config.state), "status"), Standing)
    except FailoverError as error:
        return [f"failover: {error}"]
    active = f"the {found.active} is active" if found.active else "NOBODY IS ACTIVE"
    return [f"failover: {active}; if it died now: {found.if_active_died}"]


def _age_s(mirrored: MirrorRecord, now_ns: int) -> float:
    return (now_ns - mirrored.at_ns) / 1e9


def _captured(site: Site, image: str) -> Iterator[Captured]:
    for number in site.repository.generations(image):
        manifest = site.repository.manifest(image, number, site.trusted)
        yield Captured(number, manifest.created_ns)


def _image(name: str, found: list[Captured], now_ns: int) -> _Image:
    return _Image(name, len(found), found[-1].generation, (now_ns - found[-1].created_ns) / 1e9)


def _row(site: Site, found: Staleness) -> _Row:
    events = site.registry.events(found.node)
    return _Row(found, _behind_bytes(site, found), events[-1] if events else None)


def _behind_bytes(site: Site, found: Staleness) -> int | None:
    """Read from the pages that the two generations do not share; None where that fails."""
    if found.has is None or found.newest is None or found.behind_generations is None:
        return None
    if found.has == found.newest:
        return 0
    repository = site.repository
    try:
        older = repository.manifest(found.image, found.has, site.trusted)
        newer = repository.manifest(found.image, found.newest, site.trusted)
        return new_bytes(older, newer, page_reader(repository.store))
    except HaoscarError:
        return None


def _print(images: list[_Image], rows: list[_Row]) -> None:
    print_table(
        ["image", "generations", "newest", "captured"],
        [[i.image, str(i.generations), str(i.newest), f"{_duration(i.age_s)} ago"] for i in images],
    )
    click.echo()
    print_table(
        ["standby", "image", "state", "has", "would lose", "behind", "last report"],
        [_cells(row) for row in rows],
    )


def _cells(row: _Row) -> list[str]:
    each = row.staleness
    lost = "?" if each.recovery_point_s is None else _duration(each.recovery_point_s)
    behind: str = each.standing
    if each.standing in ("behind", "pinned") and each.behind_s is not None:
        count = f"{each.behind_generations} generation(s), {_duration(each.behind_s)}"
        held = "" if row.behind_bytes is None else f", {size(row.behind_bytes)}"
        behind = f"{count}{held}{' (pinned)' if each.standing == 'pinned' else ''}"
    last = f"{moment(row.last.at_ns)} {row.last.event.step}" if row.last else "none"
    return [each.node, each.image, each.state, str(each.has or "-"), lost, behind, last]


def _document(row: _Row) -> dict[str, object]:
    last = row.last
    return {
        **dataclasses.asdict(row.staleness),
        "behind_bytes": row.behind_bytes,
        "last_event": None if last is None else {"at_ns": last.at_ns, "event": last.event},
    }


def _duration(seconds: float) -> str:
    """A duration for people, in its largest fitting unit.

    >>> _duration(42), _duration(7200), _duration(200_000)
    ('42 s', '2.0 h', '2.3 days')
    """
    for unit, length_s in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length_s:
            return f"{seconds / length_s:.1f} {unit}"
    return f"{seconds:.0f} s"
