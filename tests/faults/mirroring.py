"""Part "mirror": a second repository takes a first one's generations, killed, cut off, lied to.

Whatever happened, it shows whole generations only, each the very manifest of the first; the next
run ends it. Over HTTP, for each cut at most one piece (`http_ranges.PIECE_BYTES`) is sent again.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from random import Random

from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.http_ranges import PIECE_BYTES
from haoscar_pxe.image.http_store import HttpStore
from haoscar_pxe.image.mirror import Mirror
from haoscar_pxe.image.origin import FolderOrigin, Origin
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.store import PackStore
from tests.faults.amounts import Amounts
from tests.faults.child import Ending
from tests.faults.cutting_server import Cuts, cutting
from tests.faults.ground import (
    TRUSTED,
    broken_promises,
    capture_tree,
    change_tree,
    committed_in,
    leftovers,
    make_tree,
)
from tests.faults.kill import kill_at_random
from tests.faults.tally import Tally

GENERATIONS = 3
CUT = 0.6
FLIPPED = 0.2
FLIPPED_EVERY = 5


class Mirroring:
    """A mirror that begins with nothing."""

    name = "mirror"
    dispensable: frozenset[str] = frozenset()

    def __init__(self, folder: Path, dice: Random, *, files: int, big_bytes: int) -> None:
        tree = folder / "tree"
        make_tree(tree, dice, files=files, big_bytes=big_bytes)
        self.first = Repository.create(folder / "first")
        for _ in range(GENERATIONS):
            capture_tree(self.first, tree)
            change_tree(tree, dice, files=files // 4)
        self.offered = committed_in(self.first)
        self._path = folder / "second"
        self.prepare()

    def prepare(self) -> None:
        shutil.rmtree(self._path, ignore_errors=True)
        self.second = Repository.create(self._path)

    def work(self) -> None:
        self.mirror(FolderOrigin(self.first.path))

    def mirror(self, origin: Origin) -> None:
        """Take what the origin has and the second repository lacks."""
        Mirror(origin, self.second, TRUSTED, Silence()).run()

    def judge(self, ending: Ending) -> list[str]:
        wrong = self.broken()
        if ending == "done" and committed_in(self.second) != self.offered:
            wrong.append("it said it was done, and generations are missing")
        self.work()
        wrong += self.broken()
        if committed_in(self.second) != self.offered:
            wrong.append("the next run did not end it")
        return wrong + [f"left in tmp/: {name}" for name in leftovers(self.second)]

    def broken(self) -> list[str]:
        """What is shown and is not whole, or is not the first repository's."""
        shown = committed_in(self.second)
        foreign = [f"{name} is another one" for name in shown if shown[name] != self.offered[name]]
        return broken_promises(self.second, shown) + foreign


class BehindServer(FolderOrigin):
    """An origin whose packs come over HTTP, from a server that breaks off."""

    def __init__(self, path: Path, server: HttpStore) -> None:
        super().__init__(path)
        self._server = server

    @property
    def store(self) -> PackStore:
        """See Origin."""
        return self._server


def mirror(folder: Path, dice: Random, amounts: Amounts) -> Tally:
    """Kill mirrors, then cut their transfers."""
    tally = Tally("mirror")
    scenario = Mirroring(folder, dice, files=60, big_bytes=2_000_000)
    kill_at_random(scenario, folder, dice, amounts.killed_mirrors, tally)
    whole = Cuts(dice, likelihood=0.0)
    _transferred(scenario, whole)
    number = 0
    while tally.counts["answers cut"] < amounts.transfers:
        number += 1
        cuts = Cuts(dice, CUT, FLIPPED if number % FLIPPED_EVERY == 1 else 0.0)
        arrived = _transferred(scenario, cuts)
        tally.count("mirrors that are whole" if arrived else "mirrors refused (wrong bits)")
        tally.count("answers cut", cuts.cuts)
        tally.count("answers with a wrong bit", cuts.flipped)
        tally.expect(arrived or cuts.flipped > 0, f"mirror {number} refused without a wrong bit")
        tally.lost += [f"mirror {number}: {each}" for each in scenario.broken()]
        if arrived:
            most = whole.sent_bytes + cuts.cuts * PIECE_BYTES
            tally.count("bytes sent again", max(0, cuts.sent_bytes - whole.sent_bytes))
            tally.expect(cuts.sent_bytes <= most, f"mirror {number}: {cuts.sent_bytes} of {most}")
            tally.expect(committed_in(scenario.second) == scenario.offered, f"mirror {number}")
    return tally


def _transferred(scenario: Mirroring, cuts: Cuts) -> bool:
    """Mirror anew over HTTP; whether all arrived; False when wrong bytes were refused."""
    scenario.prepare()
    with cutting(scenario.first.store, cuts) as url:
        server = HttpStore(url, "", patience_s=60, pause=lambda _: None)
        with closing(server):
            try:
                scenario.mirror(BehindServer(scenario.first.path, server))
            except IntegrityError:
                return False
    return True
