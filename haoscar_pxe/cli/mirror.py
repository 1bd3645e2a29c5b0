"""`haoscar-pxe mirror`: who may mirror this repository over HTTP."""

from __future__ import annotations

from contextlib import closing

import click

from haoscar_pxe.cli.output import json_option, moment, print_json, print_table
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.nodes.mirrors import Mirrors


@click.group()
def mirror() -> None:
    """Who may mirror this repository over HTTP. Mirroring itself is 'haoscar-pxe sync --from'."""


@mirror.command()
@click.argument("name")
@click.option("--twin", is_flag=True, help="It boots the same nodes: tell it of them, too.")
@pass_site
def add(site: Site, name: str, *, twin: bool) -> None:
    """Let NAME mirror all images, and print the token for it, which is kept nowhere here."""
    with closing(Mirrors(site.config.paths.registry)) as mirrors:
        click.echo(mirrors.add(name, is_twin=twin))
    click.echo(
        "put it into a file that only root reads there: sync --from URL --token-file", err=True
    )


@mirror.command("list")
@json_option
@pass_site
def list_mirrors(site: Site, as_json: bool) -> None:
    """Show the mirrors, and when each asked last."""
    with closing(Mirrors(site.config.paths.registry)) as mirrors:
        found = mirrors.all()
    if as_json:
        print_json(found)
        return
    rows = [
        [each.name, moment(each.added_ns), moment(each.seen_ns) if each.seen_ns else "never"]
        for each in found
    ]
    print_table(["mirror", "added", "asked last"], rows)


@mirror.command()
@click.argument("name")
@pass_site
def remove(site: Site, name: str) -> None:
    """Take NAME's token away: it opens nothing any more."""
    with closing(Mirrors(site.config.paths.registry)) as mirrors:
        mirrors.remove(name)
    click.echo(f"removed {name}")
