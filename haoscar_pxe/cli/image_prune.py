"""`haoscar-pxe image prune`: old generations go, by rules, and what nobody needs any more."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, tzinfo
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from haoscar_pxe.cli.output import json_option, print_json, print_table, size
from haoscar_pxe.cli.progress import watched
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.errors import RepositoryError
from haoscar_pxe.image.generation_name import parse_generation_name
from haoscar_pxe.image.prune import PacksInUse, PruneReport
from haoscar_pxe.image.prune import prune as prune_repository
from haoscar_pxe.image.prune_plan import PrunePlan, Retention, plan_prune
from haoscar_pxe.image.reader import ChunkReader, packs_of
from haoscar_pxe.image.retention import GenerationKey, RetentionPolicy
from haoscar_pxe.nodes.node import NodeState

LOCAL_TIME = Path("/etc/localtime")


_COUNT = click.IntRange(min=0)


@click.command()
@click.option("--keep-last", type=_COUNT, help="Keep so many generations of each image.")
@click.option("--keep-daily", type=_COUNT, help="Keep the newest of so many days with a capture.")
@click.option("--keep-weekly", type=_COUNT, help="Keep the newest of so many weeks.")
@click.option("--keep-monthly", type=_COUNT, help="Keep the newest of so many months.")
@click.option(
    "--drop", multiple=True, metavar="IMAGE@GENERATION", help="Give up this generation as well."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@json_option
@pass_site
def prune(
    site: Site,
    keep_last: int | None,
    keep_daily: int | None,
    keep_weekly: int | None,
    keep_monthly: int | None,
    drop: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Delete old generations, and free what no generation needs any more.

    The rules are those of [retention] in the configuration; as soon as one --keep-… is given, only
    those given count. An image's newest generation is never deleted, nor one that a node is pinned
    to or was last installed from. Numbers are not given again.
    """
    given = [keep_last, keep_daily, keep_weekly, keep_monthly]
    is_given = any(each is not None for each in given)
    policy = RetentionPolicy(*(each or 0 for each in given)) if is_given else None
    retention = Retention(
        policy or site.config.retention, local_zone(), protected(site), _dropped(drop)
    )
    report: PruneReport | None = None
    with (
        nullcontext() if dry_run else site.repository.alone(),
        watched("pruning", quiet=as_json) as progress,
    ):
        chunks = ChunkReader(site.repository.store)
        plan = plan_prune(site.repository, site.trusted, retention, chunks, progress)
        if not dry_run:
            report = prune_repository(
                plan, site.repository, chunks, packs_in_use(site, chunks), progress
            )
    if as_json:
        print_json(_document(plan, report))
    else:
        _print(plan, report)


def local_zone() -> tzinfo:
    """Where days begin on this machine, summer time and all; UTC if it does not say."""
    try:
        with LOCAL_TIME.open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return UTC


def protected(site: Site) -> dict[GenerationKey, str]:
    """The generations that nodes need, and which nodes."""
    reasons: dict[GenerationKey, list[str]] = {}
    for node in site.registry.nodes():
        if node.generation is not None:
            reasons.setdefault((node.image, node.generation), []).append(
                f"node {node.name} is pinned to it"
            )
        if node.ordered_generation is not None:
            reasons.setdefault((node.image, node.ordered_generation), []).append(
                f"node {node.name} was installed from it"
            )
    return {key: ", ".join(words) for key, words in reasons.items()}


def packs_in_use(site: Site, chunks: ChunkReader) -> PacksInUse:
    """Answers which packs nodes read that install themselves at the moment it is asked."""

    @cache
    def needed(image: str, generation: int) -> frozenset[str]:
        return frozenset(
            packs_of(site.repository.manifest(image, generation, site.trusted), chunks)
        )

    def in_use() -> frozenset[str]:
        return frozenset().union(
            *(
                needed(node.image, node.ordered_generation)
                for node in site.registry.nodes()
                if node.state is NodeState.INSTALLING and node.ordered_generation is not None
            )
        )

    return in_use


def _dropped(texts: Sequence[str]) -> list[GenerationKey]:
    """The generations named to be dropped. Raises RepositoryError for one without a number."""
    found = []
    for text in texts:
        named = parse_generation_name(text)
        if named.generation is None:
            raise RepositoryError(
                f"'{text}' is an image's newest generation, which cannot be dropped",
                hint=f"name an older one, as in {named.image}@3",
            )
        found.append((named.image, named.generation))
    return found


def _document(plan: PrunePlan, report: PruneReport | None) -> dict[str, object]:
    packs = plan.packs
    return {
        "generations": plan.verdicts,
        "packs": {
            "kept": [use.pack_id for use in packs.kept],
            "removed": [*(use.pack_id for use in packs.removed), *packs.spoilt],
            "rewritten": [use.pack_id for use in packs.rewritten],
            "damaged": packs.damaged,
        },
        "missing_chunks": plan.missing_chunks,
        "freed_bytes": packs.freed_bytes if report is None else report.freed_bytes,
        "report": report and asdict(report),
    }


def _print(plan: PrunePlan, report: PruneReport | None) -> None:
    if report is None:
        rows = [
            [f"{each.image}@{each.generation}", "keep" if each.is_kept else "delete", each.reason]
            for each in plan.verdicts
        ]
        print_table(["GENERATION", "", "BECAUSE"], rows)
        removed = len(plan.packs.removed) + len(plan.packs.spoilt)
        click.echo(
            f"would delete {len(plan.deleted)} of {len(plan.verdicts)} generations, remove "
            f"{removed} packs, write {len(plan.packs.rewritten)} anew and free "
            f"{size(plan.packs.freed_bytes)}"
        )
    else:
        for pack_id, reason in report.put_off:
            click.echo(f"left alone: pack {pack_id[:12]}: {reason}")
        click.echo(
            f"deleted {report.deleted} of {len(plan.verdicts)} generations, removed "
            f"{report.removed_packs} packs, wrote {report.rewritten_packs} anew, freed "
            f"{size(report.freed_bytes)}"
        )
    if plan.missing_chunks:
        click.echo(
            f"{plan.missing_chunks} chunks are missing: 'haoscar-pxe image verify' says where"
        )
