"""Part "full": the disk fills up during a capture, and a prune makes room for the next.

A file system of memory in a mount namespace of the child's own, so that nothing stays mounted
whatever happens. Needs root; without it the part says so and does nothing.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from random import Random
from typing import Final

from haoscar_pxe.errors import StorageError
from haoscar_pxe.image.repository import Repository
from tests.faults.amounts import Amounts
from tests.faults.child import forked
from tests.faults.ground import (
    broken_promises,
    capture_tree,
    change_tree,
    committed_in,
    differences,
    leftovers,
    make_tree,
)
from tests.faults.pruning import prune_to_one
from tests.faults.tally import Tally

CLONE_NEWNS: Final = 0x20000  # linux/sched.h
MS_REC_PRIVATE: Final = 0x4000 | 0x40000  # linux/mount.h
BIG_BYTES: Final = 500_000
_libc = ctypes.CDLL(None, use_errno=True)


def full(folder: Path, dice: Random, amounts: Amounts) -> Tally:
    """Fill disks of several sizes, so that the end of the space falls everywhere."""
    tally = Tally("full")
    if os.geteuid() != 0:
        tally.count("left out: it needs root to mount")
        return tally
    for number in range(amounts.full_disks):
        size_bytes = (3_000_000 + dice.randrange(3_000_000)) // 4096 * 4096
        own = folder / str(number)
        (own / "disk").mkdir(parents=True)
        seed = dice.randrange(2**32)

        def work(own: Path = own, size_bytes: int = size_bytes, seed: int = seed) -> None:
            _mount(own / "disk", size_bytes)
            (own / "wrong").write_text("\n".join(_fill_and_recover(own, Random(seed))))

        child = forked(work, own / "words")
        ending = child.wait()
        tally.count(f"disks filled: {ending}")
        tally.expect(ending == "done", f"disk {number}: {ending}: {child.last_words()[-1000:]}")
        if ending == "done":
            tally.lost += (own / "wrong").read_text().splitlines()
    return tally


def _mount(path: Path, size_bytes: int) -> None:
    """A file system of this size at path, which only this process sees."""
    options = f"size={size_bytes}".encode()
    _check(_libc.unshare(CLONE_NEWNS))
    _check(_libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None))
    _check(_libc.mount(b"none", os.fsencode(path), b"tmpfs", 0, options))


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _fill_and_recover(own: Path, dice: Random) -> list[str]:
    """What is wrong with a repository on a disk that was filled, pruned, and used again."""
    tree = own / "tree"
    make_tree(tree, dice, files=30, big_bytes=BIG_BYTES)
    repository = Repository.create(own / "disk" / "repository")
    capture_tree(repository, tree)
    while True:
        change_tree(tree, dice)
        (tree / "big").write_bytes(dice.randbytes(BIG_BYTES))
        committed = committed_in(repository)
        try:
            capture_tree(repository, tree)
        except StorageError:
            break
    wrong = broken_promises(repository, committed)
    (own / "disk" / "filler").write_bytes(bytes(max(0, _free_bytes(own / "disk"))))
    prune_to_one(repository)
    (own / "disk" / "filler").unlink()
    newest = max(committed)
    wrong += broken_promises(repository, {newest: committed[newest]})
    wrong += [f"left in tmp/: {name}" for name in leftovers(repository)]
    capture_tree(repository, tree)
    return wrong + broken_promises(repository, {}) + differences(repository, tree)


def _free_bytes(path: Path) -> int:
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize
