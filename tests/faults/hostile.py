"""Part "hostile": forged generations and damaged bytes are refused, soon and in little memory.

Every case runs in a child that may use 512 MiB more than it began with. A case that takes more
than a second of processor time, or ends in anything but a refusal (or a value, for bytes that
happen to stay valid), counts as lost.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

from haoscar_pxe.errors import HaoscarError, IntegrityError
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader, entries
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.restore import restore
from haoscar_pxe.image.verify import verify_repository
from tests.faults.amounts import Amounts
from tests.faults.child import forked, under_limits
from tests.faults.forgery import Forgery, forge
from tests.faults.ground import IMAGE, TRUSTED
from tests.faults.hostile_trees import Forging, hostile_generations, many_small
from tests.faults.mutation import mutated
from tests.faults.parsers import parsers
from tests.faults.tally import Tally

MEMORY_BYTES: Final = 512 << 20
CASE_S: Final = 1.0
FUZZ_S: Final = 1800.0


def hostile(folder: Path, dice: Random, amounts: Amounts) -> Tally:
    """Forged generations, a folder of many names, and amounts.hostile_cases for each parser."""
    tally = Tally("hostile")
    for number, (name, forging) in enumerate(hostile_generations()):
        own = folder / str(number)
        own.mkdir()
        _refuse(name, forging, own, tally)
    _accept_many(folder, amounts.many_entries, tally)
    _fuzz(folder, dice, amounts.hostile_cases, tally)
    return tally


def _refuse(name: str, forging: Forging, folder: Path, tally: Tally) -> None:
    forgery = forge(folder / "repository")
    forging(forgery)
    tally.count("forged generations")
    inside = folder / "inside"
    inside.mkdir()
    _refuse_within(lambda: _verify(forgery), f"verify of {name}", folder, tally)
    _refuse_within(lambda: _restore(forgery.repository, inside / "target"), name, folder, tally)
    escaped = [path.name for path in (folder / "outside", inside / "outside") if path.exists()]
    tally.expect(not escaped, f"{name}: it reached out of its folder: {escaped}")


def _refuse_within(act: Callable[[], None], name: str, folder: Path, tally: Tally) -> None:
    """Expect the act to end in an error of ours, within a case's time and memory."""
    clock = folder / "seconds"

    def work() -> None:
        began = time.process_time()
        try:
            act()
        finally:
            clock.write_text(str(time.process_time() - began))

    child = forked(under_limits(work, extra_memory_bytes=MEMORY_BYTES), folder / "words")
    ending = child.wait()
    tally.expect(ending == "refused", f"{name}: {ending} {child.last_words()[-600:]}")
    seconds = float(clock.read_text()) if clock.exists() else CASE_S
    tally.expect(seconds < CASE_S, f"{name}: refused after {seconds:.1f} s")


def _verify(forgery: Forgery) -> None:
    report = verify_repository(forgery.repository, TRUSTED, Silence())
    if not report.is_good:
        raise IntegrityError(str(report.problems[0]))


def _restore(repository: Repository, target: Path) -> None:
    manifest = repository.manifest(IMAGE, None, TRUSTED)
    chunks = ChunkReader(repository.store)
    restore(entries(manifest, chunks), chunks, target, Silence())


def _accept_many(folder: Path, count: int, tally: Tally) -> None:
    """Many names in one folder are odd, not wrong: read one after the other, in bounded memory."""
    forgery = forge(folder / "many")
    forgery.put_entries(many_small(count))

    def work() -> None:
        manifest = forgery.repository.manifest(IMAGE, None, TRUSTED)
        seen = sum(1 for _ in entries(manifest, ChunkReader(forgery.repository.store)))
        assert seen == count + 1

    limited = under_limits(work, extra_memory_bytes=MEMORY_BYTES // 2)
    child = forked(limited, folder / "words")
    ending = child.wait(300)
    tally.count("entries read out of one folder", count)
    tally.expect(ending == "done", f"{count} names in a folder: {ending} {child.last_words()}")


def _fuzz(folder: Path, dice: Random, cases: int, tally: Tally) -> None:
    """In one child for each parser, so that a crash of one hides nothing of the others."""
    seed = dice.randrange(2**32)
    for number, name in enumerate(parsers(folder)):
        result = folder / f"fuzz-{number}"

        def work(name: str = name, result: Path = result) -> None:
            _fuzz_one(folder, name, Random(f"{seed}-{name}"), cases, result)

        child = forked(under_limits(work, extra_memory_bytes=MEMORY_BYTES), folder / "words")
        ending = child.wait(FUZZ_S)
        if ending != "done":
            tally.lost.append(f"parser of {name}: {ending}: {child.last_words()[-600:]}")
            continue
        counts, lost = json.loads(result.read_text())
        for what, times in counts.items():
            tally.count(f"{name}: {what}", times)
        tally.lost += lost


def _fuzz_one(folder: Path, name: str, dice: Random, cases: int, result: Path) -> None:
    parser = parsers(folder)[name]
    counts = {"refused": 0, "accepted": 0}
    lost = []
    with parser.opened() as parse:
        for _ in range(cases):
            data = mutated(dice.choice(parser.examples), dice)
            began = time.process_time()
            try:
                parse(data)
                counts["accepted"] += 1
            except HaoscarError:
                counts["refused"] += 1
            except (Exception, RecursionError) as error:
                lost.append(f"parser of {name}: {error!r:.200} for {data[:200].hex()}")
            if time.process_time() - began > CASE_S:
                lost.append(f"parser of {name}: too slow for {data[:200].hex()}")
    result.write_text(json.dumps([counts, lost[:20]]))
