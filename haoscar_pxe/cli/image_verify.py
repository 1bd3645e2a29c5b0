"""`haoscar-pxe image verify`: the repository read back, or a tree compared with a generation."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import click

from haoscar_pxe.cli.capture import excluded
from haoscar_pxe.cli.generation_argument import METAVAR, generation_of, manifest_of, title
from haoscar_pxe.cli.image_repair import Asked, repair_stored
from haoscar_pxe.cli.output import json_option, path_text, print_json, size
from haoscar_pxe.cli.progress import watched
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.cli.tree_scope import left_out_paths, tree_scope
from haoscar_pxe.errors import ComparisonError, IntegrityError
from haoscar_pxe.image.compare import Difference, compare
from haoscar_pxe.image.generation_name import GenerationName
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.pack import Kind
from haoscar_pxe.image.page_entries import page_reader
from haoscar_pxe.image.reader import ChunkReader, entries
from haoscar_pxe.image.store import packs_of_kind
from haoscar_pxe.image.verify import verify_generation, verify_repository

log = logging.getLogger(__name__)


@click.command()
@click.argument("named", metavar=f"[{METAVAR}]", callback=generation_of, required=False)
@click.option(
    "--tree",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Compare this tree ('/' is the running machine) with the generation instead.",
)
@click.option("--repair", "is_repair", is_flag=True, help="Make good what can be made good.")
@click.option(
    "--from",
    "others",
    multiple=True,
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="With --repair: look for what is lost in this repository too. May be repeated.",
)
@click.option("--dry-run", is_flag=True, help="With --repair: only say what would be done.")
@click.option("--yes", is_flag=True, help="With --repair: do it without asking.")
@json_option
@pass_site
def verify(
    site: Site,
    named: GenerationName | None,
    tree: Path | None,
    is_repair: bool,
    others: tuple[Path, ...],
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Read every byte back and check it: of the repository, or of one generation.

    With --tree it says what a reinstall would change on a machine: every difference between the
    tree and the generation, less what a capture leaves out. Any difference is exit status 32.
    Without the opening key, sealed files are compared by all but their content, and named.

    With --repair damaged packs are moved to damaged/ in the repository, and everything in them that
    is good goes into new ones. What is lost is looked for in --from and in --tree, the tree that
    was captured; what stays lost is named, with what to type.
    """
    if not is_repair and (others or dry_run or yes):
        raise click.UsageError("--from, --dry-run and --yes go with --repair")
    if is_repair:
        if named is not None:
            raise click.UsageError("--repair is for the whole repository, not for one generation")
        repair_stored(site, others, tree, Asked(dry_run, yes or as_json, as_json))
    elif tree is None:
        _verify_stored(site, named, as_json)
    elif named is None:
        raise click.UsageError(f"--tree needs a generation to compare with: {METAVAR}")
    else:
        _verify_tree(site, named, tree, as_json)


def _verify_stored(site: Site, named: GenerationName | None, as_json: bool) -> None:
    with watched("verifying", quiet=as_json) as progress:
        if named is None:
            report = verify_repository(site.repository, site.trusted, progress)
        else:
            report = verify_generation(
                site.repository, named.image, named.generation, site.trusted, progress
            )
    if as_json:
        print_json(report)
    else:
        for problem in report.problems:
            click.echo(f"damaged  {problem}")
    if report.problems:
        raise IntegrityError(
            f"{len(report.problems)} problem(s) in {site.repository.path}",
            hint="generations that are not named are whole; 'haoscar-pxe image verify --repair' "
            "keeps what is good of damaged packs, and says how to get back the rest",
        )
    if not as_json:
        click.echo(
            f"whole: {report.generations} generation(s), {report.chunks} chunks in {report.packs} "
            f"packs, {size(report.read_bytes)} read"
        )


def _verify_tree(site: Site, named: GenerationName, tree: Path, as_json: bool) -> None:
    manifest = manifest_of(site, named)
    never = dict.fromkeys(excluded(site.config), "excluded by the configuration")
    never[os.fsencode(site.repository.path.absolute())] = "the repository itself"
    scope = tree_scope(tree, never)
    for each in scope.left_out():
        log.debug("left out %s: %s", path_text(each.path), each.reason)
    chunks = page_reader(site.repository.store)
    with watched(f"comparing {tree}", quiet=as_json) as progress:
        progress.expect(manifest.stored_bytes)
        every = compare(
            entries(manifest, chunks),
            tree,
            progress,
            boxes=_boxes(site, manifest),
            ignored=left_out_paths(scope),
        )
    found = [each for each in every if each.aspect != "closed"]
    closed = [each.path for each in every if each.aspect == "closed"]
    if as_json:
        print_json(
            {
                "generation": title(manifest),
                "tree": str(tree),
                "differences": found,
                "closed": closed,
            }
        )
    else:
        for difference in found:
            click.echo(difference_line(difference))
        for path in closed:
            click.echo(f"not compared {path_text(path)}: it is sealed, its opening key is not here")
    if found:
        raise ComparisonError(
            f"{len(found)} difference(s) between {tree} and {title(manifest)}",
            hint=f"'haoscar-pxe capture {manifest.image}' keeps the machine as it is now",
        )
    if not as_json:
        but = f", but {len(closed)} are sealed and were not compared" if closed else ""
        click.echo(
            f"{tree} is {title(manifest)}: {manifest.entry_count} entries, none differs{but}"
        )


def _boxes(site: Site, manifest: Manifest) -> ChunkReader | None:
    """What reads and opens sealed files; None where there are none, or no key opens any."""
    opening = site.sealing_keys.ring(manifest.image)
    if not opening.only(manifest.sealing_keys):
        return None
    store = site.repository.store
    return ChunkReader(store, packs_of_kind(store, Kind.SEALED), opening=opening)


def difference_line(each: Difference) -> str:
    """One difference for people, seen from the generation that a reinstall would lay down."""
    match each.aspect:
        case "missing":
            return f"- {path_text(each.path)}  missing: {each.expected.lower()}"
        case "extra":
            return f"+ {path_text(each.path)}  not in the generation: {each.found.lower()}"
        case _:
            return f"~ {path_text(each.path)}  {each.aspect}: {each.expected} became {each.found}"
