"""A sync plan for people and programs: what changes, which of it was changed here, and how."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from haoscar_pxe.cli.lines import path_text, size
from haoscar_pxe.image.entry import Directory, File
from haoscar_pxe.install.sync.plan import Change, PlannedChange, SyncPlan
from haoscar_pxe.install.sync.running import Prepared
from haoscar_pxe.install.sync.wanted import Goal

SHOWN: Final = 20
DIFF_BYTES: Final = 64 << 10
"""Longer files are named, not shown."""
WORDS: Final[dict[Change, str]] = {
    "add": "added",
    "replace": "replaced",
    "attributes": "owner, mode, times or xattrs",
    "remove": "removed",
}


def plan_lines(prepared: Prepared, *, names_all: bool) -> Iterator[str]:
    """The plan. names_all: every path; otherwise those that were changed on this machine."""
    plan = prepared.plan
    to = f"{plan.manifest.image} generation {plan.manifest.generation}"
    if plan.is_nothing:
        yield f"{prepared.order.node} is as {to} says; nothing is to be done"
        return
    yield f"{prepared.order.node}, generation {plan.had_generation}, becomes {to}:"
    counts = Counter(each.change for each in plan.changes)
    for change, words in WORDS.items():
        if counts[change]:
            yield f"  {counts[change]:>7} {words}"
    yield f"  {size(plan.new_bytes)} of content is made anew beside the tree first"
    yield from _local(plan, names_all)
    if names_all:
        yield from (f"{each.change:<10} {path_text(each.path)}" for each in plan.changes)


def _local(plan: SyncPlan, names_all: bool) -> Iterator[str]:
    """Changes made on this machine; that a folder's times moved on says nothing."""
    local = [each for each in plan.changes if each.is_local and not _is_folder_times(each)]
    if not local:
        return
    yield f"  {len(local)} of them undo what was changed on this machine:"
    shown = local if names_all else local[:SHOWN]
    yield from (f"    {each.change:<10} {path_text(each.path)}" for each in shown)
    if len(local) > len(shown):
        yield f"    … and {len(local) - len(shown)} more; --diff names them all"


def _is_folder_times(change: PlannedChange) -> bool:
    return change.change == "attributes" and isinstance(change.wanted, Directory)


def text_diff(plan: SyncPlan, goal: Goal, root: Path) -> Iterator[str]:
    """Unified diffs of text files that are replaced, secrets not among them: here, and to come."""
    for each in plan.changes:
        if each.change == "replace" and isinstance(each.wanted, File):
            old = _old_text(root / os.fsdecode(each.path))
            new = _new_text(each.wanted, goal) if old is not None else None
            if old is not None and new is not None:
                name = path_text(each.path)
                lines = difflib.unified_diff(old, new, f"{name} (here)", f"{name} (new)", n=2)
                yield from (line.rstrip("\n") for line in lines)


def _old_text(path: Path) -> list[str] | None:
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > DIFF_BYTES:
            return None
        return path.read_bytes().decode().splitlines(keepends=True)
    except (OSError, UnicodeDecodeError):
        return None


def _new_text(entry: File, goal: Goal) -> list[str] | None:
    if entry.size_bytes > DIFF_BYTES:
        return None
    content = bytearray(entry.size_bytes)
    for each in entry.extents:
        own = goal.declared.content.get(each.chunk_id)
        data = goal.source.chunk(each.chunk_id) if own is None else own
        content[each.offset_bytes : each.offset_bytes + len(data)] = data
    try:
        return content.decode().splitlines(keepends=True)
    except UnicodeDecodeError:
        return None


def plan_document(prepared: Prepared) -> dict[str, object]:
    """The plan for programs."""
    plan = prepared.plan
    return {
        "node": prepared.order.node,
        "image": plan.manifest.image,
        "from": plan.had_generation,
        "to": plan.manifest.generation,
        "new_bytes": plan.new_bytes,
        "changes": [
            {"path": path_text(each.path), "change": each.change, "is_local": each.is_local}
            for each in plan.changes
        ],
    }
