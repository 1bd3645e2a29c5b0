"""`haoscar-pxe key`: the keys of this site."""

from __future__ import annotations

import click

from haoscar_pxe.cli.key_sealing import seal


@click.group()
def key() -> None:
    """The keys of this site. They are never part of an image or of the repository."""


key.add_command(seal)
