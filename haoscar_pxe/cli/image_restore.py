"""`haoscar-pxe image restore`: a generation laid down in a folder."""

from __future__ import annotations

from pathlib import Path

import click

from haoscar_pxe.cli.closed import (
    left_out_of,
    open_entries,
    say_left_out,
    without_secrets_option,
)
from haoscar_pxe.cli.generation_argument import generation_argument, manifest_of, title
from haoscar_pxe.cli.output import json_option, manifest_summary, print_json
from haoscar_pxe.cli.progress import watched
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.image.file_makers import makers_to_use
from haoscar_pxe.image.generation_name import GenerationName
from haoscar_pxe.image.restore import restore as restore_entries


@click.command()
@generation_argument
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@without_secrets_option
@json_option
@pass_site
def restore(
    site: Site, named: GenerationName, folder: Path, without_secrets: bool, as_json: bool
) -> None:
    """Lay a generation down in the empty FOLDER, as the installer does on a disk.

    Owners, device nodes and capabilities need root; secrets need the opening key.
    """
    manifest = manifest_of(site, named)
    chunks, read = open_entries(site, manifest, without_secrets=without_secrets)
    with watched("restoring", quiet=as_json) as progress:
        progress.expect(manifest.stored_bytes)
        restore_entries(read, chunks, folder, progress, makers=makers_to_use())
    if as_json:
        print_json(
            {**manifest_summary(manifest), "folder": str(folder), "left_out": left_out_of(read)}
        )
        return
    left_out = left_out_of(read)
    say_left_out(left_out)
    count = manifest.entry_count - len(left_out)
    click.echo(f"{count} entries of {title(manifest)} in {folder}")
