"""`haoscar-pxe administrator`: who may use the JSON API of `haoscar-pxe serve`."""

from __future__ import annotations

from contextlib import closing

import click

from haoscar_pxe.cli.output import json_option, moment, print_json, print_table
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.nodes.administrators import Administrators


@click.group()
def administrator() -> None:
    """Who may use the JSON API of 'haoscar-pxe serve'."""


@administrator.command()
@click.argument("name")
@pass_site
def add(site: Site, name: str) -> None:
    """Give NAME a token for the API, and print it; only its hash is kept here."""
    with closing(Administrators(site.config.paths.registry)) as administrators:
        click.echo(administrators.add(name))
    click.echo("send it as 'Authorization: Bearer TOKEN'; it is not shown again", err=True)


@administrator.command("list")
@json_option
@pass_site
def list_administrators(site: Site, as_json: bool) -> None:
    """Show who has a token."""
    with closing(Administrators(site.config.paths.registry)) as administrators:
        found = administrators.all()
    if as_json:
        print_json(found)
        return
    print_table(["administrator", "added"], [[each.name, moment(each.added_ns)] for each in found])


@administrator.command()
@click.argument("name")
@pass_site
def remove(site: Site, name: str) -> None:
    """Take NAME's token away: it opens nothing any more."""
    with closing(Administrators(site.config.paths.registry)) as administrators:
        administrators.remove(name)
    click.echo(f"removed {name}")
