"""`haoscar-pxe image export`: a generation as a file for other programs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from haoscar_pxe.cli.generation_argument import generation_argument, manifest_of, title
from haoscar_pxe.cli.output import json_option, path_text, print_json, size
from haoscar_pxe.cli.progress import watched
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.errors import StorageError
from haoscar_pxe.image.durable import storage_errors, sync_folder
from haoscar_pxe.image.export import export_tar
from haoscar_pxe.image.generation_name import GenerationName
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.squashfs import export_squashfs

BUFFER_BYTES = 1 << 20
STANDARD_OUTPUT = Path("-")


@click.command()
@generation_argument
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--format", "kind", type=click.Choice(["tar", "squashfs"]), default="tar", show_default=True
)
@json_option
@pass_site
def export(site: Site, named: GenerationName, file: Path, kind: str, as_json: bool) -> None:
    """Write a generation to FILE as a tar archive ('-' is standard output) or a squashfs.

    The archive keeps owners, links, holes, xattrs with ACLs and capabilities, and nanoseconds; GNU
    tar takes all of it back with 'tar --xattrs --xattrs-include=* --numeric-owner -xpf FILE'.
    Sockets are left out. A squashfs has whole seconds and no ACLs.
    """
    manifest = manifest_of(site, named)
    chunks = ChunkReader(site.repository.store)
    if file == STANDARD_OUTPUT:
        if as_json or kind != "tar":
            raise click.UsageError("only a tar archive, without --json, can go to standard output")
        with watched("exporting") as progress:
            progress.expect(manifest.stored_bytes)
            _to_standard_output(manifest, chunks, progress)
        return
    with watched(f"exporting to {file}", quiet=as_json) as progress, _new_file(file) as path:
        progress.expect(manifest.stored_bytes)
        if kind == "tar":
            left_out = _tar(manifest, chunks, path, progress)
        else:
            left_out = export_squashfs(manifest, chunks, path, progress)
    written = file.stat().st_size
    if as_json:
        found = {"generation": title(manifest), "file": str(file), "format": kind}
        print_json({**found, "size_bytes": written, "left_out": left_out})
        return
    for each in left_out:
        click.echo(f"left out {path_text(each)}: {kind} archives have no sockets")
    click.echo(f"{title(manifest)} is in {file}: {kind}, {size(written)}")


def _to_standard_output(manifest: Manifest, chunks: ChunkReader, progress: Progress) -> None:
    with click.open_file("-", "wb") as output:
        left_out = export_tar(manifest, chunks, output.write, progress)
        output.flush()
    for each in left_out:
        click.echo(f"left out {path_text(each)}: tar archives have no sockets", err=True)


def _tar(
    manifest: Manifest, chunks: ChunkReader, path: Path, progress: Progress
) -> tuple[bytes, ...]:
    with storage_errors("write", path), path.open("xb", buffering=BUFFER_BYTES) as output:
        return export_tar(manifest, chunks, output.write, progress)


@contextmanager
def _new_file(file: Path) -> Iterator[Path]:
    """Where to write; it becomes `file` at the end, durably, or is removed again."""
    if os.path.lexists(file):
        raise StorageError(f"{file} exists already", hint="name another file, or remove it")
    half_written = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        yield half_written
        with storage_errors("write", file):
            fd = os.open(half_written, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
            half_written.rename(file)
            sync_folder(file.parent)
    finally:
        with suppress(FileNotFoundError):
            half_written.unlink()
