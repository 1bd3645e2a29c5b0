"""A tree on a real btrfs is captured from snapshots; where the kernel has none, the guest of
`test_snapshot_head.py` has."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from haoscar_pxe.boot.bundle import build_bundle
from haoscar_pxe.capture.capture import CaptureOptions, capture
from haoscar_pxe.capture.files.reading import Clock, SystemClock
from haoscar_pxe.capture.hooks import HookError, Hooks
from haoscar_pxe.capture.remote.capture_head import Head, capture_remote
from haoscar_pxe.capture.remote.delivery import AgentBundle
from haoscar_pxe.capture.report import CaptureReport
from haoscar_pxe.capture.scope.belonging import decide
from haoscar_pxe.capture.scope.mounts import parse_mountinfo
from haoscar_pxe.capture.snapshot.frozen import Tree, frozen
from haoscar_pxe.capture.snapshot.names import PREFIX
from haoscar_pxe.capture.snapshot.plan import Mode
from haoscar_pxe.capture.snapshot.sight import SnapshotError, Wish
from haoscar_pxe.cli.main import EXIT_INTERRUPTED
from haoscar_pxe.command import Finished, run
from haoscar_pxe.errors import CaptureError, CommandError, MissingToolError
from haoscar_pxe.image.progress import Progress, Silence
from haoscar_pxe.image.reader import ChunkReader, entries, read_file
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import SigningKey
from tests.needed import need
from tests.unit.capture.local_ssh import local_ssh
from tests.unit.capture.recording import opened
from tests.unit.capture.sealing import SEALING
from tests.unit.cli.site_folder import make

pytestmark = pytest.mark.lab

KEY = SigningKey(bytes(range(32)))
REQUIRED = Wish("require", 20)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A btrfs with nested subvolumes, mounted; what is left over of it is undone."""
    with suppress(CommandError, MissingToolError):
        run(["modprobe", "btrfs"])
    if "btrfs" not in Path("/proc/filesystems").read_text().split():
        pytest.skip("this kernel has no btrfs; test_snapshot_head.py has it in a guest")
    need("mkfs.btrfs", "btrfs", "mount")
    image, place = tmp_path / "disk", tmp_path / "tree"
    image.touch()
    os.truncate(image, 200 << 20)
    place.mkdir()
    run(["mkfs.btrfs", "--quiet", str(image)])
    run(["mount", "-o", "loop", str(image), str(place)])
    try:
        (place / "etc").mkdir()
        for name in ("var", "var/inner"):
            run(["btrfs", "subvolume", "create", str(place / name)])
            (place / name / "state").write_text("before")
        (place / "state").write_text("before")
        yield place
    finally:
        run(["umount", str(place)])


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "repository")


class During(Silence):
    """Changes the tree once its files are being read."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self.seen: list[str] | None = None

    def expect(self, total_bytes: int) -> None:
        if self.seen is not None:
            return  # it is told again, at the end
        for name in ("state", "var/state", "var/inner/state"):
            (self._tree / name).write_text("after")
        self.seen = shots(self._tree)


def shots(tree: Path) -> list[str]:
    return [path.name for path in tree.iterdir() if path.name.startswith(PREFIX)]


def take(
    repository: Repository,
    tree: Path,
    progress: Progress | None = None,
    wish: Wish = REQUIRED,
    hooks: Hooks | None = None,
    clock: Clock | None = None,
) -> CaptureReport:
    options = CaptureOptions(tree, "primary", SEALING, wish=wish, hooks=hooks or Hooks())
    return capture(options, repository, KEY, progress or Silence(), clock=clock)


class CountingClock(SystemClock):
    """A clock that is asked once for each file that is read."""

    reads = 0

    def now_ns(self) -> int:
        self.reads += 1
        return super().now_ns()


def states(repository: Repository, report: CaptureReport) -> set[bytes]:
    chunks = ChunkReader(repository.store)
    names = (b"state", b"var/state", b"var/inner/state")
    return {read_file(report.manifest, chunks, name) for name in names}


def test_all_of_it_is_as_it_was_when_the_snapshot_was_made(
    repository: Repository, disk: Path
) -> None:
    during = During(disk)
    report = take(repository, disk, during)
    assert states(repository, report) == {b"before"}
    assert len(during.seen or ()) == 3
    assert report.manifest.consistency == "snapshot"
    assert [reading.is_snapshot for reading in report.readings] == [True] * 3
    paths = [entry.path for entry in entries(report.manifest, ChunkReader(repository.store))]
    assert not [path for path in paths if PREFIX.encode() in path]
    assert shots(disk) == []
    assert "/run/haoscar-pxe-shots" not in Path("/proc/self/mountinfo").read_text()


def test_without_a_snapshot_the_same_changes_are_seen(repository: Repository, disk: Path) -> None:
    report = take(repository, disk, During(disk), Wish("off"))
    assert states(repository, report) == {b"after"}
    assert report.manifest.consistency == "tree"


def test_what_did_not_change_is_known_again_through_the_next_snapshot(
    repository: Repository, disk: Path
) -> None:
    run(["sleep", "1.1"])  # what changed within the last second would be read again
    clock = CountingClock()
    first = take(repository, disk, clock=clock)
    assert clock.reads == 3
    again = [
        take(repository, disk, wish=wish, clock=clock) for wish in (REQUIRED, Wish("off"), REQUIRED)
    ]
    assert clock.reads == 3
    # Not even the top's mtime differs, although snapshots came and went in it.
    assert all(report.manifest.pages == first.manifest.pages for report in again)
    (disk / "var/inner/state").write_text("other")
    report = take(repository, disk, clock=clock)
    assert clock.reads == 4
    assert b"other" in states(repository, report)


def test_after_hooks_run_while_the_snapshot_is_still_read(
    repository: Repository, disk: Path
) -> None:
    marker = disk / "resumed"
    seen: list[bool] = []

    class Looking(Silence):
        def expect(self, total_bytes: int) -> None:
            seen.append(marker.exists())

    hooks = Hooks(after=(("touch", str(marker)),))
    report = take(repository, disk, Looking(), hooks=hooks)
    assert seen[0]
    chunks = ChunkReader(repository.store)
    assert b"resumed" not in {entry.path for entry in entries(report.manifest, chunks)}


def test_an_after_hook_that_fails_leaves_neither_a_generation_nor_a_snapshot(
    repository: Repository, disk: Path
) -> None:
    with pytest.raises(HookError):
        take(repository, disk, hooks=Hooks(after=(("false",),)))
    assert repository.images() == []
    assert shots(disk) == []


def test_an_interrupted_capture_leaves_no_snapshot(repository: Repository, disk: Path) -> None:
    class Interrupted(Silence):
        def advance(self, size_bytes: int, entries: int = 1) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(repository, disk, Interrupted())
    assert shots(disk) == []


def test_required_snapshots_that_cannot_be_had_refuse_by_reason(
    repository: Repository, tmp_path: Path
) -> None:
    need("mount")
    (tmp_path / "plain").mkdir()
    with pytest.raises(SnapshotError, match="snapshots are required"):
        take(repository, tmp_path / "plain")
    assert repository.images() == []


KILLED = """
import sys; from pathlib import Path
from haoscar_pxe.capture.capture import CaptureOptions, capture
from haoscar_pxe.capture.snapshot.sight import Wish
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import SigningKey
from tests.unit.capture.sealing import SEALING
class Waiting(Silence):
    def expect(self, total_bytes):
        print("reading", flush=True); sys.stdin.read()
options = CaptureOptions(Path(sys.argv[1]), "primary", SEALING, wish=Wish("require", 20))
capture(options, Repository.open(Path(sys.argv[2])), SigningKey(bytes(32)), Waiting())
"""


def test_the_snapshots_of_a_killed_capture_are_removed_by_the_next_but_not_those_of_a_running_one(
    repository: Repository, disk: Path, tmp_path: Path
) -> None:
    other = Repository.create(tmp_path / "other")
    children = [
        subprocess.Popen(
            [sys.executable, "-c", KILLED, str(disk), str(each.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for each in (repository, other)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == b"reading\n"
        assert len(shots(disk)) == 6
        children[0].send_signal(signal.SIGKILL)
        children[0].wait(30)
        assert len(shots(disk)) == 6
        take(repository, disk)
        assert len(shots(disk)) == 3
    finally:
        for child in children:
            with child:
                child.kill()
    take(repository, disk)
    assert shots(disk) == []


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> AgentBundle:
    need("busybox", root=False)
    made = build_bundle(tmp_path_factory.mktemp("cache"))
    return AgentBundle(made.id, made.folder)


def take_over_ssh(
    repository: Repository, disk: Path, bundle: AgentBundle, progress: Progress, hooks: Hooks
) -> CaptureReport:
    options = CaptureOptions(disk, "primary", SEALING, wish=REQUIRED, hooks=hooks)
    head = Head(local_ssh(disk.parent), str(disk.parent / "agents"))
    return capture_remote(options, head, bundle, repository, KEY, progress)


def test_a_head_that_is_captured_over_ssh_is_frozen_as_well(
    repository: Repository, disk: Path, bundle: AgentBundle
) -> None:
    during = During(disk)
    hooks = Hooks(after=(("touch", str(disk.parent / "resumed")),))
    report = take_over_ssh(repository, disk, bundle, during, hooks)
    assert states(repository, report) == {b"before"}
    assert len(during.seen or ()) == 3
    assert report.manifest.consistency == "snapshot"
    assert [reading.is_snapshot for reading in report.readings] == [True] * 3
    assert (disk.parent / "resumed").exists()
    assert shots(disk) == []


def test_when_the_image_server_goes_away_the_agent_removes_its_snapshots(
    repository: Repository, disk: Path, bundle: AgentBundle
) -> None:
    (disk / "large").write_bytes(os.urandom(20 << 20))

    class Gone(Silence):
        seen = 0

        def expect(self, total_bytes: int) -> None:
            self.seen = len(shots(disk))
            raise CaptureError("the plug was pulled")

    progress = Gone()
    with pytest.raises(CaptureError, match="plug"):
        take_over_ssh(repository, disk, bundle, progress, Hooks())
    assert progress.seen == 3
    assert shots(disk) == []
    assert repository.images() == []


class FailsLate:
    """Runs everything but the making of a third snapshot, as on a disk that has no room left."""

    def __init__(self) -> None:
        self._snapshots = 0

    def __call__(self, argv: Sequence[str], *, stdin: bytes = b"", hint: str = "") -> Finished:
        if list(argv[:3]) == ["btrfs", "subvolume", "snapshot"]:
            self._snapshots += 1
            if self._snapshots == 3:
                raise CommandError("exit status 1: no space left on device", status=1)
        return run(argv, stdin=stdin, hint=hint)


@pytest.mark.parametrize("mode", ["auto", "require"])
def test_a_snapshot_that_fails_takes_the_others_with_it(disk: Path, mode: Mode) -> None:
    root, resumed = os.fsencode(disk), list[str]()
    mounts = parse_mountinfo(Path("/proc/self/mountinfo").read_bytes())
    decisions = decide(mounts, root, lambda mount: None)
    with opened(disk) as fd:
        tree = Tree(root, fd, decisions, (), is_live=True)
        seen = frozen(tree, Wish(mode, 20), lambda: resumed.append("early"), FailsLate())
        if mode == "require":
            with pytest.raises(SnapshotError, match="no space left"), seen:
                pass
        else:
            with seen as sight:
                assert sight.root_fd == fd
                [warning] = sight.warnings
                assert "no space left" in warning.sentence
    assert resumed == []
    assert shots(disk) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_capture_that_is_told_to_end_removes_its_snapshots(
    disk: Path, tmp_path: Path, number: signal.Signals
) -> None:
    config, started = make(tmp_path), tmp_path / "started"
    hook = json.dumps([["sh", "-c", f"touch '{started}'; exec sleep 60"]])
    config.write_text(f'{config.read_text()}\n[[head]]\nimage = "primary"\nafter = {hook}\n')
    as_usual = ["env", "--default-signal=HUP"]  # these tests may run below nohup
    program = [sys.executable, "-m", "haoscar_pxe.cli", "--config", str(config), "capture"]
    words = ["primary", "--root", str(disk), "--snapshot", "require"]
    with subprocess.Popen([*as_usual, *program, *words], stderr=subprocess.DEVNULL) as child:
        deadline = time.monotonic() + 30
        while not started.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert len(shots(disk)) == 3
        child.send_signal(number)
        assert child.wait(30) == EXIT_INTERRUPTED
    assert shots(disk) == []
