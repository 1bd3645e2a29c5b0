"""What commands do with sealed files: open them with the site's keys, or leave them out and say so.

`restore` and `export` refuse before anything is written if a key is not here.
"""

from __future__ import annotations

from collections.abc import Iterable

import click

from haoscar_pxe.cli.generation_argument import title
from haoscar_pxe.cli.output import path_text
from haoscar_pxe.cli.site import Site
from haoscar_pxe.errors import SealedError
from haoscar_pxe.image.closed import WithoutSealed
from haoscar_pxe.image.entry import Entry
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.reader import ChunkReader, entries

LISTED = 20

without_secrets_option = click.option(
    "--without-secrets",
    is_flag=True,
    help="Leave out all files that are sealed, and name them; no opening key is needed then.",
)


def open_entries(
    site: Site, manifest: Manifest, *, without_secrets: bool
) -> tuple[ChunkReader, Iterable[Entry]]:
    """A reader that opens what is sealed, and the entries to read: a WithoutSealed if so asked.

    Raises SealedError if an opening key is not here.
    """
    opening = site.sealing_keys.ring(manifest.image)
    chunks = ChunkReader(site.repository.store, opening=opening)
    if without_secrets:
        return chunks, WithoutSealed(entries(manifest, chunks))
    missing = opening.missing(manifest.sealing_keys)
    if missing:
        keys = ", ".join(each.hex()[:12] for each in missing)
        raise SealedError(
            f"{manifest.sealed_files} files of {title(manifest)} are sealed, and the opening key "
            f"{keys} is not here",
            hint=f"bring it to {site.sealing_keys.path / manifest.image}, or leave these files out "
            "with --without-secrets; 'image files --secrets' lists them",
        )
    return chunks, entries(manifest, chunks)


def left_out_of(read: Iterable[Entry]) -> list[bytes]:
    """The sealed files that were left out of entries that `open_entries` gave."""
    return read.left_out if isinstance(read, WithoutSealed) else []


def say_left_out(paths: list[bytes], *, err: bool = False) -> None:
    """Name the sealed files that were left out."""
    for path in paths[:LISTED]:
        click.echo(f"left out {path_text(path)}: it is sealed", err=err)
    if len(paths) > LISTED:
        rest = len(paths) - LISTED
        click.echo(f"… and {rest} more sealed files ('image files --secrets')", err=err)
