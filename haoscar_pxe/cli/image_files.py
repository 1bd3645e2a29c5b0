"""`haoscar-pxe image files` and `image cat`: one folder, or one file, out of a generation."""

from __future__ import annotations

import stat
from collections.abc import Iterator

import click
import msgspec

from haoscar_pxe.capture.files.secrets import Secrets
from haoscar_pxe.cli.generation_argument import generation_argument, manifest_of, title
from haoscar_pxe.cli.output import json_option, moment, path_text, print_json_array, size
from haoscar_pxe.cli.site import Site, pass_site, secret_rules
from haoscar_pxe.errors import RepositoryError
from haoscar_pxe.image.entry import (
    AnyFile,
    Device,
    Directory,
    Entry,
    Fifo,
    File,
    HardLink,
    SealedFile,
    Socket,
    Symlink,
)
from haoscar_pxe.image.file_content import stream
from haoscar_pxe.image.folder import children
from haoscar_pxe.image.generation_name import GenerationName
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.page_entries import page_reader, subtree
from haoscar_pxe.image.reader import ChunkReader, resolve

_TYPES: dict[type[Entry], int] = {
    Directory: stat.S_IFDIR,
    File: stat.S_IFREG,
    SealedFile: stat.S_IFREG,
    Symlink: stat.S_IFLNK,
    Fifo: stat.S_IFIFO,
    Socket: stat.S_IFSOCK,
}


@click.command()
@generation_argument
@click.argument("path", default=b"/", type=click.Path(path_type=bytes))
@click.option("-r", "--recursive", is_flag=True, help="Everything below PATH too.")
@click.option(
    "--secrets",
    "only_secrets",
    is_flag=True,
    help="Only the files below PATH that are sealed, each with the reason.",
)
@json_option
@pass_site
def files(
    site: Site,
    named: GenerationName,
    path: bytes,
    recursive: bool,
    only_secrets: bool,
    as_json: bool,
) -> None:
    """List PATH of a generation: what is in a folder, or the one file.

    Symbolic links on the way are followed inside the image.
    """
    manifest = manifest_of(site, named)
    chunks = page_reader(site.repository.store)
    found = _found(manifest, chunks, path)
    if recursive or only_secrets:
        listed = subtree(manifest, chunks, found.path)
    elif isinstance(found, Directory):
        listed = children(manifest, chunks, found.path)
    else:
        listed = iter((found,))
    if only_secrets:
        _print_secrets(listed, Secrets(secret_rules(site.config)), as_json)
        return
    if as_json:
        print_json_array(_document(entry) for entry in listed)
        return
    for entry in listed:
        click.echo(entry_line(entry))


@click.command()
@generation_argument
@click.argument("path", type=click.Path(path_type=bytes))
@pass_site
def cat(site: Site, named: GenerationName, path: bytes) -> None:
    """Write the file at PATH of a generation to standard output.

    Symbolic links are followed inside the image; holes are written as zeros. A secret needs its
    opening key.
    """
    manifest = manifest_of(site, named)
    chunks = ChunkReader(site.repository.store, opening=site.sealing_keys.ring(manifest.image))
    entry = _found(manifest, chunks, path)
    if not isinstance(entry, AnyFile):
        raise RepositoryError(
            f"{path_text(entry.path)} in {title(manifest)} is a {type(entry).__name__.lower()}, "
            "not a file",
            hint=f"'haoscar-pxe image files {title(manifest)} {path_text(entry.path)}' shows it",
        )
    with click.open_file("-", "wb") as output:
        for data in stream(entry, chunks):
            output.write(data)
        output.flush()


def _print_secrets(listed: Iterator[Entry], secrets: Secrets, as_json: bool) -> None:
    sealed = (entry for entry in listed if isinstance(entry, SealedFile))
    if as_json:
        print_json_array(
            {**_document(entry), "reason": secrets.reason(entry.path)} for entry in sealed
        )
        return
    for entry in sealed:
        click.echo(f"{entry_line(entry)}  ({secrets.reason(entry.path)})")


def entry_line(entry: Entry) -> str:
    """One entry for people, in the manner of ls(1)."""
    if isinstance(entry, HardLink):
        return f"hard link {path_text(entry.path)} = {path_text(entry.target)}"
    meta = entry.meta
    target = f" -> {path_text(entry.target)[1:]}" if isinstance(entry, Symlink) else ""
    return (
        f"{stat.filemode(_type(entry) | meta.mode)} {f'{meta.uid}:{meta.gid}':<11} "
        f"{_extent(entry):>10} {moment(meta.mtime_ns)} {path_text(entry.path)}{target}"
    )


def _type(entry: Entry) -> int:
    """The file type bits of its mode, inode(7)."""
    if isinstance(entry, Device):
        return stat.S_IFBLK if entry.is_block else stat.S_IFCHR
    return _TYPES[type(entry)]


def _extent(entry: Entry) -> str:
    match entry:
        case Device():
            return f"{entry.major}:{entry.minor}"
        case File() | SealedFile():
            return size(entry.size_bytes)
        case _:
            return ""


def _document(entry: Entry) -> dict[str, object]:
    """The entry for programs: extents are the repository's business."""
    fields = msgspec.structs.asdict(entry)
    fields.pop("extents", None)
    if isinstance(entry, SealedFile):
        fields["key_id"] = entry.key_id.hex()
    meta = fields.pop("meta", None)
    attributes = msgspec.structs.asdict(meta) if meta is not None else {}
    return {"type": type(entry).__name__, **fields, **attributes}


def _found(manifest: Manifest, chunks: ChunkReader, path: bytes) -> Entry:
    """What path leads to. Raises RepositoryError if there is nothing."""
    entry = resolve(manifest, chunks, path)
    if entry is None:
        raise RepositoryError(
            f"there is no {path_text(path.lstrip(b'/'))} in {title(manifest)}",
            hint=f"'haoscar-pxe image files {title(manifest)} FOLDER' lists what there is",
        )
    return entry
