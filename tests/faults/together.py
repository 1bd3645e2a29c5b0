"""Part "together": captures of two images, prunes, verifications and readers, all at once.

Every file of a tree says which state of the tree it belongs to, so a reader can tell a generation
that was put together from two. Each actor is a process of its own; it runs until the time is over
and writes down what it did and what was wrong.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from haoscar_pxe.errors import BusyError, RepositoryError
from haoscar_pxe.image.entry import File
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader, entries, extents
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.verify import verify_repository
from tests.faults.amounts import Amounts
from tests.faults.child import Child, forked
from tests.faults.ground import TRUSTED, broken_promises, capture_tree, committed_in
from tests.faults.pruning import prune_to_one
from tests.faults.tally import Tally

FILES: Final = 60
CONTENT_BYTES: Final = 4_000
PAUSE_S: Final = 0.01


@dataclass(slots=True)
class Account:
    """What one actor did, and what was wrong."""

    did: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


Act = Callable[[Account], None]


def together(folder: Path, dice: Random, amounts: Amounts) -> Tally:
    """Let everybody work for amounts.together_s seconds."""
    tally = Tally("together")
    repository = Repository.create(folder / "repository")
    captures = [_capturing(repository, folder / name, name) for name in ("primary", "second")]
    for capturing in captures:
        capturing(Account())
    acts: list[tuple[str, Act]] = [
        ("first capturer", captures[0]),
        ("second capturer", captures[1]),
        ("first reader", lambda account: _read(repository, "primary", account)),
        ("second reader", lambda account: _read(repository, "second", account)),
        ("verifier", lambda account: _verify(repository, account)),
        ("pruner", lambda account: _prune(repository, account)),
    ]
    until = time.monotonic() + amounts.together_s
    running = [(name, _start(act, folder / name, until)) for name, act in acts]
    for name, child in running:
        _settle(name, child, folder / name, amounts.together_s, tally)
    prune_to_one(repository)
    tally.lost += broken_promises(repository, committed_in(repository))
    return tally


def _start(act: Act, words: Path, until: float) -> Child:
    def work() -> None:
        account = Account()
        while time.monotonic() < until:
            act(account)
            time.sleep(PAUSE_S)
        words.with_suffix(".json").write_text(json.dumps([account.did, account.wrong]))

    return forked(work, words)


def _settle(name: str, child: Child, words: Path, seconds: float, tally: Tally) -> None:
    ending = child.wait(seconds + 120)
    if ending != "done":
        tally.lost.append(f"{name}: {ending}: {child.last_words()[-1000:]}")
        return
    did, wrong = json.loads(words.with_suffix(".json").read_text())
    for what, times in did.items():
        tally.count(what, times)
    tally.lost += [f"{name}: {each}" for each in wrong[:20]]


def _capturing(repository: Repository, tree: Path, image: str) -> Act:
    """Write the next state of the tree and capture it."""
    tree.mkdir()
    states = iter(range(1, 10**9))

    def act(account: Account) -> None:
        _write_state(tree, image, next(states))
        try:
            capture_tree(repository, tree, image)
            account.did["captures"] += 1
        except BusyError as error:
            account.wrong.append(str(error))

    return act


def _write_state(tree: Path, image: str, state: int) -> None:
    for number in range(FILES):
        noise = Random(f"{image} {state} {number}").randbytes(CONTENT_BYTES)
        (tree / f"{number:03}").write_bytes(b"%s %d\n" % (image.encode(), state) + noise)


def _read(repository: Repository, image: str, account: Account) -> None:
    """Read a generation whole: all its files must be of one image and one state."""
    numbers = repository.generations(image)
    number = numbers[-1]
    try:
        manifest = repository.manifest(image, number, TRUSTED)
        chunks = ChunkReader(repository.store)
        contents = [
            b"".join(data for _, data in extents(entry, chunks))
            for entry in entries(manifest, chunks)
            if isinstance(entry, File)
        ]
    except RepositoryError as error:
        if number in repository.generations(image):
            account.wrong.append(f"generation {number}: {error}")
        account.did["reads of a generation that was pruned meanwhile"] += 1
        return
    account.did["generations read"] += 1
    states = {content.partition(b"\n")[0] for content in contents}
    if len(states) != 1 or len(contents) != FILES or not _is_true(contents):
        account.wrong.append(f"generation {number} mixes {sorted(states)[:5]}")


def _is_true(contents: list[bytes]) -> bool:
    """Whether each file has the very bytes that its first line promises."""
    for number, content in enumerate(contents):
        said, _, noise = content.partition(b"\n")
        image, state = said.decode().split()
        if noise != Random(f"{image} {state} {number}").randbytes(CONTENT_BYTES):
            return False
    return True


def _verify(repository: Repository, account: Account) -> None:
    """What is gone meanwhile is no damage; what verify still finds afterwards is."""
    try:
        report = verify_repository(repository, TRUSTED, Silence())
    except RepositoryError as error:
        account.did["verifications that a prune overtook"] += 1
        account.wrong += [] if _is_overtaken(str(error)) else [str(error)]
        return
    account.did["verifications"] += 1
    account.wrong += [str(problem) for problem in report.problems]


def _is_overtaken(said: str) -> bool:
    return "No such file" in said or "has no generation" in said or "is gone" in said


def _prune(repository: Repository, account: Account) -> None:
    try:
        plan = prune_to_one(repository)
    except BusyError:
        account.did["prunes refused: somebody wrote"] += 1
        return
    account.did["prunes"] += 1
    account.did["generations deleted"] += len(plan.deleted)
    account.did["packs removed or written anew"] += len(plan.packs.removed) + len(
        plan.packs.rewritten
    )
