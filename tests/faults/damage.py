"""Part "damage": bits flipped, files cut, grown, zeroed and swapped; all of it must be noticed.

After each damage `verify` must name a problem, and what reading gives must be an error or the very
content that was captured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final

from blake3 import blake3

from haoscar_pxe.errors import RepositoryError
from haoscar_pxe.image.entry import AnyFile
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader, entries, extents
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.verify import verify_repository
from tests.faults.amounts import Amounts
from tests.faults.ground import IMAGE, TRUSTED, capture_tree, change_tree, make_tree
from tests.faults.tally import Tally
from tests.unit.capture.sealing import RING

BLOCK_BYTES: Final = 4096


def damage(folder: Path, dice: Random, amounts: Amounts) -> Tally:
    """Every bit (or amounts.flips of them) of a small repository, then damages of a larger one."""
    tally = Tally("damage")
    small = _repository(folder / "small", dice, files=2, big_bytes=100)
    _flip_bits(_Watched(small), dice, amounts.flips, tally)
    larger = _repository(folder / "larger", dice, files=150, big_bytes=1_500_000)
    _damage_at_random(_Watched(larger), dice, amounts.damages, tally)
    return tally


class _Watched:
    """A repository whose good content is known. digests: of each generation's content."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self._good = [_digest(repository, each) for each in repository.generations(IMAGE)]

    def files(self) -> list[Path]:
        """Every file whose bytes matter."""
        path = self.repository.path
        found = [each for name in ("packs", "images") for each in (path / name).rglob("*")]
        return [path / "format", *sorted(each for each in found if each.is_file())]

    def judge(self, what: str, tally: Tally) -> None:
        """Count how the damage showed; note as lost what it went unnoticed by."""
        tally.expect(self._is_noticed(), f"{what}: verify finds nothing")
        for number, good in enumerate(self._good, 1):
            try:
                same = _digest(Repository.open(self.repository.path), number) == good
            except RepositoryError:
                tally.count("reads refused")
                continue
            tally.count("reads that did not touch the damage, identical")
            tally.expect(same, f"{what}: generation {number} was read as something else")

    def _is_noticed(self) -> bool:
        try:
            repository = Repository.open(self.repository.path)
            return not verify_repository(repository, TRUSTED, Silence()).is_good
        except RepositoryError:
            return True


def _repository(folder: Path, dice: Random, *, files: int, big_bytes: int) -> Repository:
    tree = folder / "tree"
    make_tree(tree, dice, files=files, big_bytes=big_bytes)
    repository = Repository.create(folder / "repository")
    capture_tree(repository, tree)
    if files > 2:
        change_tree(tree, dice)
        capture_tree(repository, tree)
    return repository


def _digest(repository: Repository, generation: int) -> bytes:
    """Of all a restore of the generation would read. Raises RepositoryError."""
    chunks = ChunkReader(repository.store, opening=RING)
    digest = blake3()
    for entry in entries(repository.manifest(IMAGE, generation, TRUSTED), chunks):
        digest.update(repr(entry).encode())
        if isinstance(entry, AnyFile):
            for _, data in extents(entry, chunks):
                digest.update(data)
    return digest.digest()


def _flip_bits(watched: _Watched, dice: Random, most: int, tally: Tally) -> None:
    bits = [(path, bit) for path in watched.files() for bit in range(path.stat().st_size * 8)]
    chosen = dice.sample(bits, min(most, len(bits))) if most else bits
    tally.count("bits of the small repository", len(bits))
    for path, bit in chosen:
        good = path.read_bytes()
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bad)
        tally.count("single bits flipped")
        watched.judge(f"bit {bit} of {path.name}", tally)
        path.write_bytes(good)


def _damage_at_random(watched: _Watched, dice: Random, cases: int, tally: Tally) -> None:
    damages: list[tuple[str, Callable[[bytes, Random], bytes]]] = [
        ("flip", _flipped),
        ("truncate", lambda good, dice: good[: dice.randrange(len(good))]),
        ("extend", lambda good, dice: good + dice.randbytes(dice.randrange(1, 5000))),
        ("zero block", _zeroed),
        ("noise block", _noisy),
    ]
    for number in range(cases):
        kind = dice.randrange(len(damages) + 1)
        paths = watched.files()
        if kind == len(damages):
            name, bad = "swap", dict(_swapped(paths, dice))
        else:
            name, change = damages[kind]
            path = dice.choice(paths)
            bad = {path: change(path.read_bytes(), dice)}
        good = {path: path.read_bytes() for path in bad}
        if good == bad:
            continue
        for path, content in bad.items():
            path.write_bytes(content)
        tally.count(f"random damages: {name}")
        watched.judge(f"damage {number}, {name} of {', '.join(p.name for p in bad)}", tally)
        for path, content in good.items():
            path.write_bytes(content)


def _flipped(good: bytes, dice: Random) -> bytes:
    bad = bytearray(good)
    for _ in range(dice.choice((1, 1, 2, 20))):
        bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
    return bytes(bad)


def _zeroed(good: bytes, dice: Random) -> bytes:
    start = dice.randrange(len(good)) // BLOCK_BYTES * BLOCK_BYTES
    end = min(len(good), start + BLOCK_BYTES)
    return good[:start] + bytes(end - start) + good[end:]


def _noisy(good: bytes, dice: Random) -> bytes:
    start = dice.randrange(len(good))
    end = min(len(good), start + dice.randrange(1, BLOCK_BYTES))
    return good[:start] + dice.randbytes(end - start) + good[end:]


def _swapped(paths: list[Path], dice: Random) -> Iterator[tuple[Path, bytes]]:
    """Two files of one kind (packs, or manifests) with each other's content."""
    suffix = dice.choice([".pack", ".pack", ".manifest"])
    one, other = dice.sample([path for path in paths if path.suffix == suffix], 2)
    yield one, other.read_bytes()
    yield other, one.read_bytes()
