"""`haoscar-pxe image restore`: a generation laid down in a folder."""

from __future__ import annotations

from pathlib import Path

import click

from haoscar_pxe.cli.generation_argument import generation_argument, manifest_of, title
from haoscar_pxe.cli.output import json_option, manifest_summary, print_json
from haoscar_pxe.cli.progress import watched
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.image.generation_name import GenerationName
from haoscar_pxe.image.reader import ChunkReader, entries
from haoscar_pxe.image.restore import restore as restore_entries


@click.command()
@generation_argument
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@json_option
@pass_site
def restore(site: Site, named: GenerationName, folder: Path, as_json: bool) -> None:
    """Lay a generation down in the empty FOLDER, as the installer does on a disk.

    Owners, device nodes and capabilities need root.
    """
    manifest = manifest_of(site, named)
    chunks = ChunkReader(site.repository.store)
    with watched("restoring", quiet=as_json) as progress:
        progress.expect(manifest.stored_bytes)
        restore_entries(entries(manifest, chunks), chunks, folder, progress)
    if as_json:
        print_json({**manifest_summary(manifest), "folder": str(folder)})
    else:
        click.echo(f"{manifest.entry_count} entries of {title(manifest)} in {folder}")
