"""`haoscar-pxe key`: the keys of this site."""

from __future__ import annotations

import click

from haoscar_pxe.cli.key_sealing import seal
from haoscar_pxe.cli.key_signing import list_keys, retire, rotate, trust


@click.group()
def key() -> None:
    """The keys of this site. They are never part of an image or of the repository.

    One key signs every generation; several may be believed. Other keys seal the secrets of images.
    """


for command in (list_keys, rotate, trust, retire, seal):
    key.add_command(command)
