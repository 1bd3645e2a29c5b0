"""`haoscar-pxe image diff`: what changed from one generation to another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache

import click

from haoscar_pxe.cli.generation_argument import METAVAR, generation_of, manifest_of, title
from haoscar_pxe.cli.output import json_option, path_text, print_json, size
from haoscar_pxe.cli.progress import watched
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.image.diff import Change, differing_pages, is_layout_changed
from haoscar_pxe.image.diff import diff as diff_generations
from haoscar_pxe.image.generation_name import GenerationName
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.page_entries import page_reader
from haoscar_pxe.image.reader import ChunkReader

SIGNS = {"added": "+", "removed": "-", "changed": "~"}


@click.command()
@click.argument("older", metavar=METAVAR, callback=generation_of)
@click.argument("newer", metavar=METAVAR, callback=generation_of)
@json_option
@pass_site
def diff(site: Site, older: GenerationName, newer: GenerationName, as_json: bool) -> None:
    """Say what changed from the first generation to the second ('diff primary@3 primary').

    Files are compared by content. A secret that was sealed anew is called closed where its opening
    key is not here: nobody can tell. Only the parts of the two in which something changed are
    read, so it is quick for images of any size.
    """
    before, after = manifest_of(site, older), manifest_of(site, newer)
    store = site.repository.store
    opening = site.sealing_keys.ring(before.image, after.image)
    contents = cache(lambda: ChunkReader(store, opening=opening))
    with watched("comparing", quiet=as_json) as progress:
        changes = list(diff_generations(before, after, page_reader(store), contents, progress))
    totals = _totals(before, after, changes)
    if as_json:
        print_json({**asdict(totals), "changes": changes})
        return
    for change in changes:
        click.echo(change_line(change))
    click.echo(_words(before, after, totals))


@dataclass(frozen=True, slots=True)
class Totals:
    """All changes in numbers. pages: of both generations; only pages_read had to be read."""

    added: int
    removed: int
    changed: int
    new_bytes: int
    layout_changed: bool
    pages_read: int
    pages: int


def change_line(change: Change) -> str:
    """One change for people."""
    line = f"{SIGNS[change.kind]} {path_text(change.path)}"
    if change.kind == "removed":
        return line
    if change.kind == "added":
        extent = f", {size(change.size_bytes)}" if change.size_bytes else ""
        return f"{line}  {change.entry_type.lower()}{extent}"
    content = f"content ({size(change.new_bytes)} new of {size(change.size_bytes)})"
    return f"{line}  {', '.join(content if a == 'content' else a for a in change.aspects)}"


def _words(before: Manifest, after: Manifest, totals: Totals) -> str:
    layout = "; the disk layout changed" if totals.layout_changed else ""
    return (
        f"{title(before)} to {title(after)}: {totals.added} added, {totals.removed} removed, "
        f"{totals.changed} changed, {size(totals.new_bytes)} new{layout} "
        f"({totals.pages_read} of {totals.pages} pages read)"
    )


def _totals(before: Manifest, after: Manifest, changes: Sequence[Change]) -> Totals:
    kinds = Counter(change.kind for change in changes)
    return Totals(
        added=kinds["added"],
        removed=kinds["removed"],
        changed=kinds["changed"],
        new_bytes=sum(change.new_bytes for change in changes),
        layout_changed=is_layout_changed(before, after),
        pages_read=sum(map(len, differing_pages(before, after))),
        pages=len(before.pages) + len(after.pages),
    )
