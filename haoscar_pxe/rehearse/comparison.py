"""An installed disk that was not booted yet, against the generation it was installed from."""

from __future__ import annotations

from pathlib import Path

from haoscar_pxe.command import Run, run
from haoscar_pxe.image.compare import compare
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.reader import entries
from haoscar_pxe.nodes.standby import OWN_PATHS
from haoscar_pxe.rehearse.differences import (
    fat_roots,
    identity_not_applied,
    is_folders_time,
    undeclared,
    wrong_uuids,
)
from haoscar_pxe.rehearse.generation import OpenGeneration
from haoscar_pxe.rehearse.mounted import mounted


def compare_disk(
    disk: Path, opened: OpenGeneration, root: Path, progress: Progress, run: Run = run
) -> tuple[str, ...]:
    """All that is not as the generation and the declared identity say, each in words.

    disk: the file of a machine that is off. root: an empty folder to mount it at. Needs root.
    """
    progress.expect(opened.manifest.stored_bytes)
    with mounted(disk, opened.manifest.layout, root, run) as found:
        differences = compare(
            entries(opened.manifest, opened.chunks),
            found.root,
            progress,
            ignored=frozenset(own.path for own in OWN_PATHS),
            boxes=opened.chunks,
        )
        roots = fat_roots(found)
        kept = (each for each in differences if not is_folders_time(each, roots, found.root))
        return (
            *(str(each) for each in undeclared(kept, found.root, opened.identity)),
            *identity_not_applied(found, opened.identity),
            *wrong_uuids(found),
        )
