"""One run of the bench: the tree, a repository for each tool on a disk of its own, the parts.

The tools take turns within each round, so that whatever else the machine does meets all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tests.bench.disk import fresh_disk
from tests.bench.head_tree import TreeSize, change_tree, make_tree
from tests.bench.many_entries import MANY, make_many, touch_some
from tests.bench.measure import Measured
from tests.bench.rsync_daemon import RsyncDaemon
from tests.bench.targets import OURS, Say
from tests.bench.tools import Borg, Casync, Ours, Restic, Rsync, Squashfs, Tar, Tool

TOOLS: Final[dict[str, Callable[[Path], Tool]]] = {
    OURS: Ours,
    "mksquashfs": Squashfs,
    "tar+zstd": Tar,
    "rsync": Rsync,
    "borg": Borg,
    "restic": Restic,
    "casync": Casync,
}
JUDGED: Final = {
    "first": (OURS, "mksquashfs", "borg"),
    "nothing": (OURS, "rsync"),
    "changed": (OURS, "borg"),
    "restore": (OURS, "mksquashfs"),
}
"""What targets speak of: measured in every round, the others once, to know how they compare."""
BESIDE: Final = {
    "first": ("tar+zstd", "rsync", "restic", "casync"),
    "nothing": ("borg", "restic"),
    "changed": ("rsync", "restic"),
    "restore": ("tar+zstd", "rsync", "borg", "restic", "casync"),
}
DELTA: Final = "delta"
PARTS: Final = (*JUDGED, DELTA, MANY)


class Session:
    """Everything lies in folder, which is this bench's own.

    samples, sizes, received: what was measured.
    """

    def __init__(self, folder: Path, rounds: int, beside: bool, say: Say) -> None:
        self._folder = folder
        self._rounds = rounds
        self._beside = beside
        self._say = say
        self._open = ExitStack()
        self._kept: dict[str, Tool] = {}
        self._changes = 0
        self.tree = folder / "tree"
        self.tree_size = TreeSize(0, 0)
        self.samples: dict[tuple[str, str], list[Measured]] = defaultdict(list)
        self.sizes: dict[str, int] = {}
        self.received: dict[str, int] = {}

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def measure(self, parts: Sequence[str]) -> None:
        """Measure these parts, in the order in which one needs the other."""
        if any(part != MANY for part in parts):
            self._prepare_tree()
        steps = {
            "first": self._first,
            "nothing": self._nothing,
            "changed": self._changed,
            "restore": self._restore,
            DELTA: self._delta,
            MANY: self._many,
        }
        for part, step in steps.items():
            if part in parts:
                step()

    def _prepare_tree(self) -> None:
        disk = self._open.enter_context(fresh_disk(self._folder, "tree"))
        self.tree = disk / "tree"
        self.tree.mkdir()
        self._say("making the tree")
        self.tree_size = make_tree(self.tree)
        self._say(f"  {self.tree_size.files} files, {self.tree_size.bytes / 1e9:.2f} GB")

    def _first(self) -> None:
        for number, name in self._turns("first"):
            if number == self._rounds - 1 or name not in JUDGED["first"]:
                self._repository(name)
                continue
            with fresh_disk(self._folder, "first") as disk:
                self._note("first", name, TOOLS[name](disk).store(self.tree))

    def _nothing(self) -> None:
        for _, name in self._turns("nothing"):
            self._note("nothing", name, self._repository(name).store(self.tree))

    def _changed(self) -> None:
        names = [*JUDGED["changed"], *(BESIDE["changed"] if self._beside else ())]
        for name in names:
            self._repository(name)
        for number in range(self._rounds):
            self._change()
            for name in names if number == 0 else JUDGED["changed"]:
                self._note("changed", name, self._repository(name).store(self.tree))

    def _change(self) -> None:
        self._changes += 1
        change_tree(self.tree, self._changes)

    def _restore(self) -> None:
        for _, name in self._turns("restore"):
            tool = self._repository(name)
            with fresh_disk(self._folder, "restore") as disk:
                self._note("restore", name, tool.restore(disk))

    def _delta(self) -> None:
        """Bytes that bring a receiver who holds the version before to the one after a change."""
        ours, restic = Ours(self._home("delta-ours")), Restic(self._home("delta-restic"))
        for tool in (ours, restic):
            tool.store(self.tree)
        with RsyncDaemon(self._home("delta-rsync"), self.tree) as rsync:
            rsync.receive()
            before = restic.repository_bytes()
            self._change()
            ours.store(self.tree)
            restic.store(self.tree)
            got = ours.receive()
            self.received = {
                OURS: got.bytes,
                "restic": restic.repository_bytes() - before,
                "rsync -z": rsync.receive(),
            }
        self._say(f"{DELTA:16} made in {got.make_s:.2f} s, received in {got.fetch_s:.2f} s")

    def _home(self, name: str) -> Path:
        return self._open.enter_context(fresh_disk(self._folder, name))

    def _many(self) -> None:
        """A first capture, some without a change, one after a hundred changes, and a restore."""
        inodes = 2_400_000
        with (
            fresh_disk(self._folder, "many", inodes) as disk,
            fresh_disk(self._folder, "many-repository") as home,
        ):
            self._say("making the tree of 2,000,000 entries")
            make_many(disk / "tree")
            ours = Ours(home)
            self._note(f"{MANY}: first", OURS, ours.store(disk / "tree"))
            for _ in range(self._rounds):
                self._note(f"{MANY}: nothing", OURS, ours.store(disk / "tree"))
            touch_some(disk / "tree")
            self._note(f"{MANY}: changed", OURS, ours.store(disk / "tree"))
            with fresh_disk(self._folder, "many-restore", inodes) as target:
                self._note(f"{MANY}: restore", OURS, ours.restore(target))

    def _turns(self, part: str) -> Iterator[tuple[int, str]]:
        for number in range(self._rounds):
            beside = BESIDE[part] if self._beside and number == 0 else ()
            for name in (*JUDGED[part], *beside):
                yield number, name

    def _repository(self, name: str) -> Tool:
        """The tool with a repository that holds at least the first version."""
        if name not in self._kept:
            disk = self._open.enter_context(fresh_disk(self._folder, name))
            tool = self._kept[name] = TOOLS[name](disk)
            self._note("first", name, tool.store(self.tree))
            if not self._changes:
                self.sizes[name] = tool.repository_bytes()
        return self._kept[name]

    def _note(self, part: str, name: str, run: Measured) -> None:
        self.samples[part, name].append(run)
        seconds = f"{run.seconds:7.2f} s, {run.cpu_seconds:7.2f} s of processor"
        self._say(f"{part:16} {name:12} {seconds}, {run.peak_bytes / 1e6:5.0f} MB")


@contextmanager
def bench_folder(path: Path) -> Iterator[Path]:
    """A folder for one bench at a time; what one that was killed left is named by mkdir's error."""
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
