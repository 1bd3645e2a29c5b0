"""`haoscar-pxe failover` on any member: who is active and why, moves, maintenance, the key."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click
import msgspec

from haoscar_pxe.cli.failover_site import pass_failover
from haoscar_pxe.cli.json_document import json_option, print_json
from haoscar_pxe.cli.lines import moment, table_lines
from haoscar_pxe.config_failover import FailoverConfig
from haoscar_pxe.errors import FailoverError
from haoscar_pxe.monitor.history import read_events
from haoscar_pxe.monitor.reports import PeerReport
from haoscar_pxe.monitor.standing import Standing
from haoscar_pxe.monitor.talk import ask
from haoscar_pxe.wire.heartbeat import KEY_BYTES


@click.group()
def failover() -> None:
    """Who is the active head and why; planned moves; maintenance. Asks this machine's monitor."""


@failover.command()
@json_option
@pass_failover
def status(config: FailoverConfig, as_json: bool) -> None:
    """Say who is active, what each member looks like, and what would happen next.

    Exit status 0 only if a head is active and the other one would take over from it.
    """
    found = msgspec.convert(ask(Path(config.state), "status"), Standing)
    if as_json:
        print_json(found)
    else:
        _print(found)
    if not found.is_covered:
        raise FailoverError(found.if_active_died, hint=_what_to_type(found))


@failover.command()
@json_option
@pass_failover
def events(config: FailoverConfig, as_json: bool) -> None:
    """Print what happened to this member, one reason each, the oldest first."""
    found = read_events(Path(config.state))
    if as_json:
        print_json(found)
        return
    for event in found:
        epoch = f" (epoch {event.epoch})" if event.epoch else ""
        click.echo(f"{moment(event.at_ns)}  {event.what}: {event.reason}{epoch}")


@failover.command()
@click.option("--reason", default="", help="Kept with the event.")
@pass_failover
def switchover(config: FailoverConfig, reason: str) -> None:
    """Move everything from this head, the active one, to the other one, as planned."""
    click.echo(ask(Path(config.state), "move", reason))


@failover.command()
@click.argument("what", type=click.Choice(["on", "off"]))
@click.option("--reason", default="asked for by the administrator", show_default=True)
@pass_failover
def maintenance(config: FailoverConfig, what: str, reason: str) -> None:
    """Keep this head, a passive one, from taking over; or let it again."""
    click.echo(ask(Path(config.state), "maintain", reason if what == "on" else ""))


@failover.command()
@pass_failover
def rejoin(config: FailoverConfig) -> None:
    """Say that this head, which was replaced, has nothing newer than the other one.

    Capture it first where that is not sure: what was written here before it was replaced is
    nowhere else.
    """
    click.echo(ask(Path(config.state), "rejoin"))


@failover.command()
@pass_failover
def key(config: FailoverConfig) -> None:
    """Make the key that heads and witness share. All three need the file."""
    path = Path(config.key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise FailoverError(
            f"{path} is there already", hint="with another key the members do not hear each other"
        ) from error
    except OSError as error:
        raise FailoverError(f"cannot write {path}: {error.strerror}") from error
    with os.fdopen(fd, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")
    click.echo(f"made {path}; copy it to the other members")


def _print(found: Standing) -> None:
    active = f"the {found.active} is active" if found.active else "NOBODY IS ACTIVE"
    since = f", since {moment(found.since_ns)} (epoch {found.epoch})" if found.epoch else ""
    click.echo(f"{active}{since}")
    click.echo(f"this is the {found.member}: {found.reason}")
    if found.unwilling not in ("", found.reason) and found.member != "witness":
        click.echo(f"it would not take over: {found.unwilling}")
    click.echo(f"if the active head died now: {found.if_active_died}")
    if found.undecodable:
        click.echo(
            f"{found.undecodable} datagrams were no heartbeat of this cluster: have all three "
            "members the same key?"
        )
    if not found.is_realtime:
        click.echo("its keeper has no real-time priority or locked memory: load may delay it")
    if found.age_s is not None:
        click.echo(f"it is a generation of {found.age_s:.0f} s ago: what came later would be lost")
    if found.running or found.waiting:
        click.echo(f"running here: {', '.join(found.running) or 'nothing'}")
    if found.waiting:
        click.echo(f"WAITING here: {', '.join(found.waiting)}")
    click.echo()
    rows = [_row(peer) for peer in found.peers]
    columns = ["member", "heard", "is", "has granted the lease to", "networks"]
    click.echo("\n".join(table_lines(columns, rows)))
    if found.events:
        click.echo()
    for event in found.events:
        click.echo(f"{moment(event.at_ns)}  {event.what}: {event.reason}")


def _row(peer: PeerReport) -> list[str]:
    name = peer.member.name.lower()
    networks = ", ".join("never" if ms < 0 else f"{ms} ms ago" for ms in peer.heard_ms)
    if not peer.is_fresh:
        return [name, "NO", "?", "?", networks]
    is_what = [
        "active" if peer.is_active else "passive" if name != "witness" else "witness",
        *(["interfaces down"] if not peer.is_fit and name != "witness" else []),
        *(["unwilling"] if not peer.is_willing and name != "witness" else []),
    ]
    holder = "nobody" if peer.holder is None else f"the {peer.holder.name.lower()}"
    return [name, "yes", ", ".join(is_what), holder, networks]


def _what_to_type(found: Standing) -> str:
    if found.was_replaced:
        return "capture this head, sync it, then 'haoscar-pxe failover rejoin'"
    silent = [peer.member.name.lower() for peer in found.peers if not peer.is_fresh]
    if silent:
        listed = " and the ".join(silent)
        return f"is the {listed} on, and does 'systemctl status haoscar-pxe-monitor' run there?"
    return "'haoscar-pxe failover status' on the other head says more"
