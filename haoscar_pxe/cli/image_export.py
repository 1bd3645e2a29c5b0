"""`haoscar-pxe image export`: a generation as a file for other programs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click

from haoscar_pxe.cli.closed import (
    left_out_of,
    open_entries,
    say_left_out,
    without_secrets_option,
)
from haoscar_pxe.cli.generation_argument import generation_argument, manifest_of, title
from haoscar_pxe.cli.output import json_option, path_text, print_json, size
from haoscar_pxe.cli.progress import watched
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.errors import StorageError
from haoscar_pxe.image.durable import storage_errors, sync_folder
from haoscar_pxe.image.entry import Entry
from haoscar_pxe.image.export import Write, export_tar
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
@without_secrets_option
@json_option
@pass_site
def export(
    site: Site,
    named: GenerationName,
    file: Path,
    kind: str,
    without_secrets: bool,
    as_json: bool,
) -> None:
    """Write a generation to FILE as a tar archive ('-' is standard output) or a squashfs.

    The archive keeps owners, links, holes, xattrs with ACLs and capabilities, and nanoseconds; GNU
    tar takes all of it back with 'tar --xattrs --xattrs-include=* --numeric-owner -xpf FILE'.
    Sockets are left out. A squashfs has whole seconds and no ACLs. Secrets are in the file in the
    clear, unless they are left out.
    """
    manifest = manifest_of(site, named)
    chunks, read = open_entries(site, manifest, without_secrets=without_secrets)
    source = Source(manifest, chunks, read)
    if file == STANDARD_OUTPUT:
        if as_json or kind != "tar":
            raise click.UsageError("only a tar archive, without --json, can go to standard output")
        with watched("exporting") as progress:
            progress.expect(manifest.stored_bytes)
            _to_standard_output(source, progress)
        return
    with watched(f"exporting to {file}", quiet=as_json) as progress, _new_file(file) as path:
        progress.expect(manifest.stored_bytes)
        if kind == "tar":
            left_out = _tar(source, path, progress)
        else:
            left_out = export_squashfs(manifest, chunks, path, progress, read)
    written = file.stat().st_size
    if as_json:
        found = {"generation": title(manifest), "file": str(file), "format": kind}
        print_json(
            {**found, "size_bytes": written, "left_out": left_out, "sealed": left_out_of(read)}
        )
        return
    for each in left_out:
        click.echo(f"left out {path_text(each)}: {kind} archives have no sockets")
    say_left_out(left_out_of(read))
    click.echo(f"{title(manifest)} is in {file}: {kind}, {size(written)}")


@dataclass(frozen=True, slots=True)
class Source:
    """What is exported; read: its entries, or those of them that are not sealed."""

    manifest: Manifest
    chunks: ChunkReader
    read: Iterable[Entry]


def _to_standard_output(source: Source, progress: Progress) -> None:
    with click.open_file("-", "wb") as output:
        left_out = _tar_to(source, output.write, progress)
        output.flush()
    for each in left_out:
        click.echo(f"left out {path_text(each)}: tar archives have no sockets", err=True)
    say_left_out(left_out_of(source.read), err=True)


def _tar(source: Source, path: Path, progress: Progress) -> tuple[bytes, ...]:
    with storage_errors("write", path), path.open("xb", buffering=BUFFER_BYTES) as output:
        return _tar_to(source, output.write, progress)


def _tar_to(source: Source, write: Write, progress: Progress) -> tuple[bytes, ...]:
    return export_tar(source.manifest, source.chunks, write, progress, source=source.read)


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
