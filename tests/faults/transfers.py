"""Part "transfers": restores over HTTP from a server that breaks off or sends wrong bits.

What arrives is the very tree, or an error; a read that was cut off goes on from the byte it had, so
for each cut at most one piece (`http_ranges.PIECE_BYTES`) is sent again.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random
from typing import Final

from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.compare import compare
from haoscar_pxe.image.http_ranges import PIECE_BYTES
from haoscar_pxe.image.http_store import HttpStore
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader, entries
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.restore import restore
from tests.faults.amounts import Amounts
from tests.faults.cutting_server import Cuts, cutting
from tests.faults.ground import IMAGE, TRUSTED, capture_tree, make_tree
from tests.faults.tally import Tally
from tests.unit.capture.sealing import RING

CUT: Final = 0.6
FLIPPED: Final = 0.2
FLIPPED_EVERY: Final = 5


def transfers(folder: Path, dice: Random, amounts: Amounts) -> Tally:
    """Restore until amounts.transfers answers were cut."""
    tally = Tally("transfers")
    make_tree(folder / "tree", dice, files=40, big_bytes=2_000_000)
    repository = Repository.create(folder / "repository")
    capture_tree(repository, folder / "tree")
    plain = Cuts(dice, likelihood=0.0)
    _restore(repository, plain, folder)
    number = 0
    while tally.counts["answers cut"] < amounts.transfers:
        number += 1
        flips = FLIPPED if number % FLIPPED_EVERY == 1 else 0.0
        cuts = Cuts(dice, CUT, flips)
        arrived = _restore(repository, cuts, folder)
        tally.count("restores that arrived whole" if arrived else "restores refused (wrong bits)")
        tally.count("answers cut", cuts.cuts)
        tally.count("connections turned away", cuts.turned_away)
        tally.count("answers with a wrong bit", cuts.flipped)
        tally.expect(arrived or cuts.flipped > 0, f"restore {number} refused without a wrong bit")
        if arrived:
            tally.lost += [f"restore {number}: {each}" for each in _differences(repository, folder)]
            most = plain.sent_bytes + cuts.cuts * PIECE_BYTES
            tally.count("bytes sent again", max(0, cuts.sent_bytes - plain.sent_bytes))
            tally.expect(
                cuts.sent_bytes <= most, f"restore {number} fetched {cuts.sent_bytes} of {most}"
            )
    return tally


def _restore(repository: Repository, cuts: Cuts, folder: Path) -> bool:
    """Whether a whole tree arrived; False when wrong bytes were refused."""
    target = folder / "target"
    shutil.rmtree(target, ignore_errors=True)
    manifest = repository.manifest(IMAGE, None, TRUSTED)
    with cutting(repository.store, cuts) as url:
        store = HttpStore(
            url, "", pack_ids=repository.store.pack_ids(), patience_s=60, pause=lambda _: None
        )
        try:
            chunks = ChunkReader(store, opening=RING)
            restore(entries(manifest, chunks), chunks, target, Silence())
        except IntegrityError:
            return False
        finally:
            store.close()
    return True


def _differences(repository: Repository, folder: Path) -> list[str]:
    manifest = repository.manifest(IMAGE, None, TRUSTED)
    chunks = ChunkReader(repository.store, opening=RING)
    found = compare(entries(manifest, chunks), folder / "target", Silence(), boxes=chunks)
    return [str(each) for each in found]
