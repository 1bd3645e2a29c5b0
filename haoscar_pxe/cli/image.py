"""`haoscar-pxe image`: what lies in the repository."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from haoscar_pxe.cli.output import json_option, moment, path_text, print_json, print_table, size
from haoscar_pxe.cli.progress import watched
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.layout import Content, DiskLayout, FileSystem, Swap
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.reader import ChunkReader, entries
from haoscar_pxe.image.restore import restore as restore_entries
from haoscar_pxe.image.verify import verify_generation, verify_repository

generation_option = click.option("--generation", type=int, help="Default: the newest.")


@click.group()
def image() -> None:
    """Images and their generations: list, show, verify, restore."""


@image.command("list")
@json_option
@pass_site
def list_images(site: Site, as_json: bool) -> None:
    """All generations of all images."""
    manifests = [
        site.repository.manifest(name, number, site.trusted)
        for name in site.repository.images()
        for number in site.repository.generations(name)
    ]
    if as_json:
        print_json([_summary(each) for each in manifests])
        return
    rows = [
        [
            each.image,
            str(each.generation),
            moment(each.created_ns),
            each.host_name,
            str(each.entry_count),
            size(each.stored_bytes),
            size(each.packed_bytes),
        ]
        for each in manifests
    ]
    print_table(["IMAGE", "GENERATION", "CAPTURED", "HEAD", "ENTRIES", "CONTENT", "ADDED"], rows)


@image.command()
@click.argument("name")
@generation_option
@json_option
@pass_site
def show(site: Site, name: str, generation: int | None, as_json: bool) -> None:
    """All about one generation of image NAME: its record and its disk layout."""
    manifest = site.repository.manifest(name, generation, site.trusted)
    if as_json:
        print_json({**_summary(manifest), "layout": msgspec.to_builtins(manifest.layout)})
        return
    rows = [
        ["captured", f"{moment(manifest.created_ns)} from {manifest.host_name or 'a tree'}"],
        ["consistency", manifest.consistency],
        ["entries", str(manifest.entry_count)],
        ["content", f"{size(manifest.stored_bytes)} ({size(manifest.logical_bytes)} with holes)"],
        ["added", f"{size(manifest.packed_bytes)} to the repository"],
        ["manifest", f"{manifest.id[:16]}, signed by key {manifest.signed_by[:12]}"],
        ["boot", _boot_words(manifest.layout)],
    ]
    print_table([f"{manifest.image} {manifest.generation}", ""], rows)
    for line in _disk_lines(manifest.layout):
        click.echo(line)
    for path in manifest.unstable:
        click.echo(f"changed while it was read, kept as last seen: {path_text(path)}")


@image.command()
@click.argument("name", required=False)
@generation_option
@json_option
@pass_site
def verify(site: Site, name: str | None, generation: int | None, as_json: bool) -> None:
    """Read every byte back and check it: of the repository, or of one generation of image NAME."""
    with watched("verifying") as progress:
        if name is None:
            report = verify_repository(site.repository, site.trusted, progress)
        else:
            report = verify_generation(site.repository, name, generation, site.trusted, progress)
    if as_json:
        print_json(report)
    else:
        for problem in report.problems:
            click.echo(f"damaged  {problem}")
    if report.problems:
        raise IntegrityError(
            f"{len(report.problems)} problem(s) in {site.repository.path}",
            hint="generations that are not named are whole; a new capture stores the rest again",
        )
    if not as_json:
        click.echo(
            f"whole: {report.generations} generation(s), {report.chunks} chunks in {report.packs} "
            f"packs, {size(report.read_bytes)} read"
        )


@image.command()
@click.argument("name")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@generation_option
@json_option
@pass_site
def restore(site: Site, name: str, folder: Path, generation: int | None, as_json: bool) -> None:
    """Lay a generation of image NAME down in the empty FOLDER, as the installer does on a disk.

    Owners, device nodes and capabilities need root.
    """
    manifest = site.repository.manifest(name, generation, site.trusted)
    chunks = ChunkReader(site.repository.store)
    with watched("restoring", quiet=as_json) as progress:
        progress.expect(manifest.stored_bytes)
        restore_entries(entries(manifest, chunks), chunks, folder, progress)
    if as_json:
        print_json({**_summary(manifest), "folder": str(folder)})
    else:
        click.echo(
            f"{manifest.entry_count} entries of {name} generation {manifest.generation} in {folder}"
        )


def _summary(manifest: Manifest) -> dict[str, object]:
    fields = msgspec.structs.asdict(manifest)
    return {key: value for key, value in fields.items() if key not in ("pages", "layout")}


def _boot_words(layout: DiskLayout) -> str:
    boot = layout.boot
    origin = ", plain default layout" if layout.is_default else ""
    return f"{boot.firmware}, {boot.loader}, kernel {boot.kernel_release or 'none'}{origin}"


def _disk_lines(layout: DiskLayout) -> list[str]:
    lines = []
    for disk in layout.disks:
        lines.append(f"{disk.device}  {size(disk.size_bytes)}  {disk.table} {disk.table_id}")
        lines += [
            f"  {part.number:2}  {size(part.size_bytes):>10}  {_content_words(part.content)}"
            for part in disk.partitions
        ]
    return lines


def _content_words(content: Content) -> str:
    match content:
        case FileSystem():
            return f"{content.kind} on {content.mount_point}  UUID={content.uuid}"
        case Swap():
            return f"swap  UUID={content.uuid}"
        case _:
            return " ".join(str(value) for value in msgspec.to_builtins(content).values())
