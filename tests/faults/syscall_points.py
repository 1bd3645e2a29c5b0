"""The system calls of a piece of work, counted as strace counts them, so that it can hit each.

strace's `when=N` counts the calls of one name by one thread, from the moment it attached.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults.child import Ending, traced

SYNCING: Final = frozenset({"fsync", "fdatasync", "syncfs", "sync_file_range", "msync"})
WRITING: Final = frozenset(
    {
        *("write", "pwrite64", "writev", "pwritev", "pwritev2", "copy_file_range", "sendfile"),
        *("fallocate", "ftruncate", "truncate", "mkdir", "mkdirat", "mknod", "mknodat", "rename"),
        *("renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "rmdir", "symlink"),
        *("symlinkat", "chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat", "lchown"),
        *("utimensat", "setxattr", "fsetxattr", "lsetxattr", "removexattr", "fremovexattr"),
        "lremovexattr",
    }
)
READING: Final = frozenset(
    {
        *("openat", "open", "read", "pread64", "preadv", "getdents64", "newfstatat", "fstat"),
        *("statx", "lseek", "readlink", "readlinkat", "listxattr", "llistxattr", "flistxattr"),
        *("getxattr", "lgetxattr", "fgetxattr", "flock", "fcntl", "close"),
    }
)
_CALL = re.compile(r"(\d+) +(\w+)\((.*)")


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """The when-th call of this name by a thread. is_mutating: it changes what is on the disk."""

    call: str
    when: int
    is_mutating: bool

    def __str__(self) -> str:
        return f"{self.call} {self.when}"


def points_of(work: Callable[[], None], folder: Path) -> list[Point]:
    """Every call of one undisturbed run of the work, each once."""
    log = folder / "strace.log"
    ending = traced(work, folder / "words", ["-o", str(log)])
    if ending != "done":
        raise RuntimeError(f"the undisturbed run ended as {ending}")
    counts: Counter[tuple[str, str]] = Counter()
    found: dict[tuple[str, int], Point] = {}
    for line in log.read_text(errors="replace").splitlines():
        match = _CALL.match(line)
        if match is None:
            continue
        thread, call, rest = match.groups()
        counts[thread, call] += 1
        is_mutating = call in WRITING or call in SYNCING or (call == "openat" and "O_CREAT" in rest)
        if is_mutating or call in READING:
            when = counts[thread, call]
            found[call, when] = Point(call, when, is_mutating)
    return sorted(found.values())


def with_fault(work: Callable[[], None], point: Point, fault: str, words: Path) -> Ending:
    """Run the work with one fault at the point: "KILL", or the name of an error (ENOSPC, EIO)."""
    what = "signal=KILL" if fault == "KILL" else f"error={fault}"
    inject = f"inject={point.call}:{what}:when={point.when}"
    options = ["-o", "/dev/null", "-e", f"trace={point.call}", "-e", inject]
    return traced(work, words, options)
