"""`haoscar-pxe image verify --repair`: the plan in words, the question, what is left to type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from haoscar_pxe.cli.image_prune import packs_in_use
from haoscar_pxe.cli.output import path_text, print_json
from haoscar_pxe.cli.progress import watched
from haoscar_pxe.cli.site import Site
from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.elsewhere import Elsewhere, OtherRepository, Tree
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.repair import RepairReport, repair
from haoscar_pxe.image.repair_plan import BrokenManifest, Loss, RepairPlan, plan_repair

NAMED_FILES: Final = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """How to go about it. yes: do not ask."""

    dry_run: bool
    yes: bool
    as_json: bool


def repair_stored(site: Site, others: Sequence[Path], tree: Path | None, asked: Asked) -> None:
    """Plan, ask and repair. Raises IntegrityError if something stays lost, click.Abort for no."""
    report: RepairReport | None = None
    with nullcontext() if asked.dry_run else site.repository.alone():
        plan = _planned(site, others, tree, asked)
        if not asked.as_json:
            for line in plan_lines(plan):
                click.echo(line)
        if not plan.is_nothing and not asked.dry_run:
            if not asked.yes:
                click.confirm("Repair so?", abort=True)
            with watched("repairing", quiet=asked.as_json) as progress:
                report = repair(plan, site.repository, _in_use(site), progress)
    if asked.as_json:
        print_json(_document(plan, report))
    elif report is not None:
        for line in _report_lines(report):
            click.echo(line)
    _check_complete(plan)


def _planned(site: Site, others: Sequence[Path], tree: Path | None, asked: Asked) -> RepairPlan:
    elsewhere: list[Elsewhere] = [OtherRepository(path) for path in others]
    if tree is not None:
        elsewhere.append(Tree(tree))
    with watched("verifying", quiet=asked.as_json) as progress:
        return plan_repair(site.repository, site.trusted, elsewhere, progress)


def _in_use(site: Site) -> frozenset[str]:
    """Packs that nodes read now. A node whose generation lacks something fails anyway."""
    try:
        return frozenset(packs_in_use(site, ChunkReader(site.repository.store))())
    except IntegrityError:
        return frozenset()


def plan_lines(plan: RepairPlan) -> Iterator[str]:
    """The plan for people."""
    for pack in plan.damaged:
        yield f"pack {pack.pack_id}: {'; '.join(pack.reasons)}"
        yield f"   it leaves; {len(pack.good)} good chunks of it go into a new pack"
    if plan.found:
        places = sorted({str(found.place) for found in plan.found})
        yield f"{len(plan.found)} lost chunks are in {' and '.join(places)}, and come from there"
    for each in plan.manifests:
        yield f"the manifest of {each.image}@{each.generation} cannot be read: {each.reason}"
        if each.replacement is not None:
            yield "   it is replaced by the other repository's"
        else:
            yield f"   it stays: 'haoscar-pxe capture {each.image}', then {_give_up(each)}"
    for loss in plan.losses:
        yield from _loss_lines(loss)
    if plan.is_nothing and plan.is_complete:
        yield "whole: there is nothing to repair"


def _loss_lines(loss: Loss) -> Iterator[str]:
    name = f"{loss.image}@{loss.generation}"
    if loss.lost_pages:
        yield f"{name} lacks {loss.lost_pages} page(s): the files they list are not known"
    if loss.files:
        yield f"{name} lacks content of {len(loss.files)} file(s):"
    yield from (f"   {path_text(path)}" for path in loss.files[:NAMED_FILES])
    if len(loss.files) > NAMED_FILES:
        yield f"   and {len(loss.files) - NAMED_FILES} more (--json names all)"
    if loss.sealed:
        yield f"   {len(loss.sealed)} of them are sealed: no capture brings their boxes back"
    yield (
        f"   'haoscar-pxe capture {loss.image}' stores anew what the head still has, for "
        f"{name} too; {_give_up(loss)} otherwise"
    )


def _give_up(each: Loss | BrokenManifest) -> str:
    name = f"{each.image}@{each.generation}"
    return f"'haoscar-pxe image prune --drop {name}' gives {name} up"


def _report_lines(report: RepairReport) -> Iterator[str]:
    yield (
        f"moved {report.moved_packs} packs to {report.folder}, kept {report.kept_chunks} chunks of "
        f"them, brought {report.found_chunks} from elsewhere"
    )
    if report.replaced_manifests:
        yield f"replaced {report.replaced_manifests} manifests"
    for pack_id in report.put_off:
        yield f"left alone: pack {pack_id}: a node reads it now; repair again when it is installed"


def _check_complete(plan: RepairPlan) -> None:
    if plan.is_complete:
        return
    unread = [(each.image, each.generation) for each in plan.manifests if not each.replacement]
    names = sorted({*unread, *((loss.image, loss.generation) for loss in plan.losses)})
    listed = ", ".join(f"{image}@{generation}" for image, generation in names)
    image = names[-1][0]
    raise IntegrityError(
        f"{len(names)} generation(s) stay damaged: {listed}",
        hint=f"'haoscar-pxe capture {image}', then 'haoscar-pxe image verify --repair' once more; "
        "a second repository is looked into with --from FOLDER, the captured tree with --tree DIR",
    )


def _document(plan: RepairPlan, report: RepairReport | None) -> dict[str, object]:
    return {
        "damaged_packs": [
            {"pack": pack.pack_id, "reasons": pack.reasons, "kept_chunks": len(pack.good)}
            for pack in plan.damaged
        ],
        "found": [{"chunk": each.chunk_id.hex(), "in": str(each.place)} for each in plan.found],
        "manifests": [
            {
                "image": each.image,
                "generation": each.generation,
                "reason": each.reason,
                "is_replaced": each.replacement is not None,
            }
            for each in plan.manifests
        ],
        "losses": plan.losses,
        "is_complete": plan.is_complete,
        "report": report and _report_document(report),
    }


def _report_document(report: RepairReport) -> dict[str, object]:
    return {
        "moved_packs": report.moved_packs,
        "kept_chunks": report.kept_chunks,
        "found_chunks": report.found_chunks,
        "replaced_manifests": report.replaced_manifests,
        "folder": str(report.folder),
        "put_off": report.put_off,
    }
