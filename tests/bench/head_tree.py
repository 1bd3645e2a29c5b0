"""The tree that is measured: a head's files, made here, and what a month of updates does to it.

2 to 3 GB in more than 60,000 files: a fixed choice of this machine's /usr and /etc, topped up by
generated texts where the machine has less, a few hundred hard links, and large files as databases
and virtual disks are: some of it repeats, half of it does not compress.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCES = ("/usr", "/etc")
COPIED_FILES = 62_000
COPIED_BYTES = 1_500_000_000
COPIED_FILE_MAX_BYTES = 24 << 20
TEXTS_FROM_FILES = 66_000
LARGE_FILES = 8
LARGE_BYTES = 96 << 20
LINKS = 300
PAGE_BYTES = 8192

UPGRADED_FILES = 500
EDITED_LARGE_FILES = 3
EDITS = 24
LOGS = 20
LOG_BYTES = 64 << 10
NOUNS = ("node", "job", "queue", "state", "error", "host", "user", "time")
WORDS = [noun + end for noun in NOUNS for end in " \n"]


@dataclass(frozen=True, slots=True)
class TreeSize:
    """What was made. bytes: of regular files."""

    files: int
    bytes: int


def make_tree(target: Path) -> TreeSize:
    """Fill the empty folder target."""
    files, size = _copy_machine(target / "copied")
    (target / "large").mkdir()
    (target / "log").mkdir()
    for number in range(LARGE_FILES):
        size += _write_large(target / "large" / f"table-{number}.db", random.Random(number))
    for number in range(LOGS):
        size += _append(target / "log" / f"service-{number}.log", random.Random(number), 40)
    texts = max(TEXTS_FROM_FILES - files, 1000)
    size += _write_texts(target / "texts", texts)
    for number in range(LINKS):
        folder = target / "texts" / f"{number % 100:02}"
        os.link(folder / f"{number % 10}.txt", folder / f"link-{number}.txt")
    return TreeSize(files + LARGE_FILES + LOGS + texts, size)


def change_tree(target: Path, seed: int) -> None:
    """Change about 1 %: an upgrade of 500 files, edits in large ones, a renamed folder, logs."""
    chance = random.Random(seed)
    small = sorted(
        path
        for folder in ("copied", "texts")
        for path in (target / folder).rglob("*")
        if path.is_file() and not path.is_symlink() and path.stat().st_size > 512
    )
    for path in chance.sample(small, UPGRADED_FILES):
        _upgrade(path, chance)
    for path in chance.sample(sorted((target / "large").iterdir()), EDITED_LARGE_FILES):
        _edit_in_place(path, chance)
    folders = sorted(path for path in (target / "texts").iterdir() if path.is_dir())
    folder = chance.choice(folders)
    folder.rename(folder.with_name(f"{folder.name}-renamed-{seed}"))
    for path in sorted((target / "log").iterdir()):
        _append(path, chance, 1)


def _copy_machine(target: Path) -> tuple[int, int]:
    """Names in the order of their hash, so that the choice is a fair sample of every folder."""
    files = size = 0
    for path in sorted(_candidates(), key=lambda path: hashlib.blake2b(os.fsencode(path)).digest()):
        if files >= COPIED_FILES or size >= COPIED_BYTES:
            break
        copy = target / path.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy, follow_symlinks=False)
        files += 1
        size += 0 if copy.is_symlink() else copy.stat().st_size
    return files, size


def _candidates() -> Iterator[str]:
    for source in SOURCES:
        for folder, _, names in os.walk(source):
            for name in names:
                path = os.path.join(folder, name)
                status = os.lstat(path)
                is_plain = stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)
                if is_plain and status.st_size <= COPIED_FILE_MAX_BYTES:
                    yield path


def _write_large(path: Path, chance: random.Random) -> int:
    with path.open("wb") as file:
        for _ in range(LARGE_BYTES // PAGE_BYTES):
            file.write(_page(chance))
    return LARGE_BYTES


def _page(chance: random.Random) -> bytes:
    """A database's page: half of it random, half of it rows that resemble each other."""
    row = b"%012d,%s," % (chance.randrange(10**6), chance.randbytes(12).hex().encode())
    half = PAGE_BYTES // 2
    return chance.randbytes(half) + (row * (half // len(row) + 1))[:half]


def _write_texts(target: Path, count: int) -> int:
    size = 0
    for number in range(count):
        chance = random.Random(number)
        folder = target / f"{number % 100:02}"
        folder.mkdir(parents=True, exist_ok=True)
        text = _text(chance, int(chance.lognormvariate(8, 1.2)))
        (folder / f"{number // 100}.txt").write_bytes(text)
        size += len(text)
    return size


def _text(chance: random.Random, size_bytes: int) -> bytes:
    words = chance.choices(WORDS, k=size_bytes // 10 + 1)
    return "".join(f"{word}{chance.randrange(10**4)} " for word in words).encode()


def _append(path: Path, chance: random.Random, times: int) -> int:
    text = _text(chance, times * LOG_BYTES)
    with path.open("ab") as file:
        file.write(text)
    return len(text)


def _upgrade(path: Path, chance: random.Random) -> None:
    """As a package manager does: a new file takes the name; its content differs in a few places."""
    content = bytearray(path.read_bytes())
    for _ in range(3):
        at = chance.randrange(len(content))
        content[at : at + 8] = chance.randbytes(8)
    at = len(content) // 10
    content[at:at] = b"%020d" % chance.randrange(10**9)
    new = path.with_name(path.name + ".new")
    new.write_bytes(content)
    shutil.copystat(path, new)
    os.utime(new)
    new.rename(path)


def _edit_in_place(path: Path, chance: random.Random) -> None:
    with path.open("r+b") as file:
        for _ in range(EDITS):
            file.seek(chance.randrange(LARGE_BYTES // PAGE_BYTES) * PAGE_BYTES)
            file.write(_page(chance))
