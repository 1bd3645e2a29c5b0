"""`haoscar-pxe image`: what lies in the repository. One file for each command but list and show."""

from __future__ import annotations

from typing import Final

import click
import msgspec

from haoscar_pxe.cli.generation_argument import generation_argument, manifest_of
from haoscar_pxe.cli.image_diff import diff
from haoscar_pxe.cli.image_export import export
from haoscar_pxe.cli.image_files import cat, files
from haoscar_pxe.cli.image_prune import prune
from haoscar_pxe.cli.image_restore import restore
from haoscar_pxe.cli.image_verify import verify
from haoscar_pxe.cli.output import (
    json_option,
    manifest_summary,
    moment,
    path_text,
    print_json,
    print_table,
    size,
)
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.image.generation_name import GenerationName
from haoscar_pxe.image.layout import Content, DiskLayout, FileSystem, Swap
from haoscar_pxe.image.manifest import Consistency, Manifest

CONSISTENCY_WORDS: Final[dict[Consistency, str]] = {
    "snapshot": "read from snapshots of the storage",
    "mixed": "read from snapshots, but for file systems that have none",
    "live": "read while it ran, torn files were read again",
    "tree": "a tree in which nothing ran",
}


@click.group()
def image() -> None:
    """Images and their generations: look at them, compare, get them back, prune.

    IMAGE alone is its newest generation, IMAGE@3 the third.
    """


for command in (verify, diff, files, cat, restore, export, prune):
    image.add_command(command)


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
        print_json([manifest_summary(each) for each in manifests])
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
@generation_argument
@json_option
@pass_site
def show(site: Site, named: GenerationName, as_json: bool) -> None:
    """All about one generation: its record and its disk layout."""
    manifest = manifest_of(site, named)
    if as_json:
        print_json({**manifest_summary(manifest), "layout": msgspec.to_builtins(manifest.layout)})
        return
    rows = [
        ["captured", f"{moment(manifest.created_ns)} from {manifest.host_name or 'a tree'}"],
        ["consistency", f"{manifest.consistency}: {CONSISTENCY_WORDS[manifest.consistency]}"],
        ["entries", str(manifest.entry_count)],
        ["content", f"{size(manifest.stored_bytes)} ({size(manifest.logical_bytes)} with holes)"],
        ["secrets", _secret_words(manifest)],
        ["added", f"{size(manifest.packed_bytes)} to the repository"],
        ["manifest", f"{manifest.id[:16]}, signed by key {manifest.signed_by[:12]}"],
        ["boot", _boot_words(manifest.layout)],
    ]
    print_table([f"{manifest.image} {manifest.generation}", ""], rows)
    for line in _disk_lines(manifest.layout):
        click.echo(line)
    for path in manifest.unstable:
        click.echo(f"changed while it was read, kept as last seen: {path_text(path)}")


def _secret_words(manifest: Manifest) -> str:
    keys = ", ".join(key_id.hex()[:12] for key_id in manifest.sealing_keys)
    return f"{manifest.sealed_files} files, sealed by key {keys}" if keys else "none"


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
