"""Runs inside a guest whose storage can snapshot: makes it, writes on it, captures it.

It is the guest's only program, started by Python without site packages from `storage_machine.py`.
Each finding is a line "FOUND name value-in-JSON" on the console.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from haoscar_pxe.capture.capture import CaptureOptions, capture
from haoscar_pxe.capture.files.reading import SystemClock
from haoscar_pxe.capture.files.secrets import Sealing, SecretRules
from haoscar_pxe.capture.report import CaptureReport
from haoscar_pxe.capture.snapshot.sight import SnapshotError, Wish
from haoscar_pxe.command import run
from haoscar_pxe.image.entry import Directory
from haoscar_pxe.image.progress import Progress, Silence
from haoscar_pxe.image.reader import ChunkReader, entries, read_file
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.sealing import OpeningKey
from haoscar_pxe.image.signing import SigningKey

HEAD = Path("/head")
PLACES = ("thick", "thin", "btrfs", "nested")
FOLDERS = {"thick": "", "thin": "srv", "btrfs": "data", "nested": "data/inner"}
FIRST, LAST = "a-first", "z-last"
BETWEEN = 40
"""Files that a walk reads between the two which the writer keeps equal."""
KEY = SigningKey(bytes(range(32)))
SEALING = Sealing(OpeningKey.generate("primary").public, SecretRules())


def found(name: str, value: object) -> None:
    sys.stdout.write(f"FOUND {name} {json.dumps(value)}\n")
    sys.stdout.flush()


def make_storage() -> None:
    """A volume group with a plain and a thin volume on the first disk, a btrfs on the second."""
    run(["lvm", "pvcreate", "-q", "/dev/vda"])
    run(["lvm", "vgcreate", "-q", "-s", "4m", "vg", "/dev/vda"])
    run(["lvcreate", "-q", "-y", "-Zn", "-Wn", "-n", "root", "-L", "100m", "vg"])
    run(["lvcreate", "-q", "-y", "-Zn", "-n", "pool", "--type", "thin-pool", "-L", "100m", "vg"])
    run(["lvcreate", "-q", "-y", "-n", "srv", "-V", "400m", "--thinpool", "vg/pool"])
    run(["mke2fs", "-q", "-t", "ext4", "/dev/vg/root"])
    run(["mkfs.xfs", "-q", "/dev/vg/srv"])
    run(["mkfs.btrfs", "-q", "/dev/vdb"])
    run(["mke2fs", "-q", "-t", "ext4", "/dev/vdc"])
    HEAD.mkdir()
    mounts = [("ext4", "/dev/vg/root", ""), ("xfs", "/dev/vg/srv", "srv")]
    mounts += [("btrfs", "/dev/vdb", "data"), ("ext4", "/dev/vdc", "boot")]
    for kind, device, place in mounts:
        (HEAD / place).mkdir(exist_ok=True)
        run(["mount", "-t", kind, device, str(HEAD / place)])
    run(["btrfs", "subvolume", "create", str(HEAD / "data/inner")])
    for folder in FOLDERS.values():
        for number in range(BETWEEN):
            (HEAD / folder / f"m{number}").write_bytes(os.urandom(20_000))
    (HEAD / "boot/kernel").write_text("a kernel")


def write_for_ever() -> None:
    """Keep two numbers in each file system equal, but for the moment between their two writes.

    Each is on the disk before the next is written, as a database does it: a btrfs snapshot holds
    what was synced, and of other writes whatever had been written back.
    """
    pairs = [
        [os.open(HEAD / folder / name, os.O_RDWR | os.O_CREAT) for name in (FIRST, LAST)]
        for folder in FOLDERS.values()
    ]
    number = 0
    while True:
        number += 1
        for pair in pairs:
            for fd in pair:
                os.pwrite(fd, f"{number:012d}".encode(), 0)
                os.fdatasync(fd)


@contextmanager
def a_writer() -> Iterator[None]:
    pid = os.fork()
    if pid == 0:
        write_for_ever()
    try:
        time.sleep(0.5)
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


class Then(Silence):
    """Does something when the reading begins."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act: Callable[[], None] | None = act

    def expect(self, total_bytes: int) -> None:
        act, self._act = self._act, None
        if act is not None:
            act()


class Slowly(Silence):
    """Reads so slowly that the writer gets on between its first and its last file."""

    def expect(self, total_bytes: int) -> None:
        time.sleep(0.5)

    def advance(self, size_bytes: int, entries: int = 1) -> None:
        time.sleep(0.02)


class CountingClock(SystemClock):
    """A clock that is asked once for each file that is read."""

    reads = 0

    def now_ns(self) -> int:
        self.reads += 1
        return super().now_ns()


def take(
    repository: Repository,
    mode: str,
    progress: Progress | None = None,
    clock: CountingClock | None = None,
) -> CaptureReport:
    wish = Wish("require" if mode == "require" else "off", 1)
    options = CaptureOptions(HEAD, "primary", SEALING, wish=wish)
    return capture(options, repository, KEY, progress or Silence(), clock=clock)


def apart(repository: Repository, report: CaptureReport) -> dict[str, int]:
    """By how much the writer's first number is ahead of its last, in each place."""
    chunks = ChunkReader(repository.store)

    def number(folder: str, name: str) -> int:
        return int(read_file(report.manifest, chunks, os.path.join(folder, name).encode()))

    return {place: number(FOLDERS[place], FIRST) - number(FOLDERS[place], LAST) for place in PLACES}


def shots() -> list[str]:
    volumes = run(["lvs", "--noheadings", "-o", "lv_name"]).text.split()
    names = [*volumes, *os.listdir(HEAD / "data")]
    return [name for name in names if name.startswith("haoscar-pxe-shot-")]


def captured_with_and_without(repository: Repository) -> None:
    with a_writer():
        began = time.monotonic()
        report = take(repository, "require", Slowly())
        found("seconds", round(time.monotonic() - began, 1))
        found("apart", apart(repository, report))
        found("consistency", report.manifest.consistency)
        found(
            "readings",
            {os.fsdecode(each.place): [each.is_snapshot, each.reason] for each in report.readings},
        )
        found("live apart", apart(repository, take(repository, "off", Slowly())))
    found("left after a capture", shots())


def known_again(repository: Repository) -> None:
    time.sleep(1.1)
    clocks = CountingClock(), CountingClock()
    take(repository, "require", clock=clocks[0])
    take(repository, "require", clock=clocks[1])
    found("reads", [clock.reads for clock in clocks])


def killed(repository: Repository) -> None:
    pid = os.fork()
    if pid == 0:
        take(repository, "require", Then(lambda: os.kill(os.getpid(), signal.SIGKILL)))
    os.waitpid(pid, 0)
    found("left by a killed capture", len(shots()))
    seen: list[int] = []
    take(repository, "require", Then(lambda: seen.append(len(shots()))))
    found("while the next one reads", seen)
    found("left by the next one", shots())


def overflowed(repository: Repository) -> None:
    before = repository.generations("primary")

    def fill() -> None:
        (HEAD / "filling").write_bytes(os.urandom(50 << 20))
        os.sync()

    try:
        take(repository, "require", Then(fill))
    except SnapshotError as error:
        found("overflow", str(error))
    found("generations added by it", len(repository.generations("primary")) - len(before))
    found("left by an overflow", shots())


def make_system() -> Path:
    """A copy of this system on a logical volume, with what a running one has mounted."""
    root = Path("/system")
    root.mkdir()
    run(["lvcreate", "-q", "-y", "-Zn", "-Wn", "-n", "system", "-L", "280m", "vg"])
    run(["mke2fs", "-q", "-t", "ext4", "/dev/vg/system"])
    run(["mount", "-t", "ext4", "/dev/vg/system", str(root)])
    for name in ("bin", "lib", "lib64", "sbin", "usr", "etc"):
        run(["cp", "-a", f"/{name}", str(root)])
    for name, kind in (("proc", "proc"), ("sys", "sysfs"), ("dev", "devtmpfs"), ("run", "tmpfs")):
        (root / name).mkdir()
        run(["mount", "-t", kind, kind, str(root / name)])
    return root


def running_head(_: Repository) -> None:
    """The whole system as a head that runs, with nothing said about snapshots but "auto"."""
    root = make_system()
    pid = os.fork()
    if pid == 0:
        os.chroot(root)
        os.chdir("/")
        capture_running_head()
        os._exit(0)
    os.waitpid(pid, 0)
    found("left by a running head", shots())


def capture_running_head() -> None:
    repository = Repository.create(Path("/run/images"))
    options = CaptureOptions(Path("/"), "head", SEALING, live=True, wish=Wish("auto", 1))
    during = Then(lambda: Path("/etc/during").touch())
    report = capture(options, repository, KEY, during)
    kept = {entry.path: entry for entry in entries(report.manifest, ChunkReader(repository.store))}
    found("head", [report.manifest.consistency, len(report.readings)])
    found("head's warnings", [warning.sentence for warning in report.warnings])
    found("head has", [b"bin/lvm" in kept, b"etc/during" in kept, b"proc/1" in kept])
    proc = kept[b"proc"]
    found("mode of proc", proc.meta.mode if isinstance(proc, Directory) else None)


def main() -> None:
    make_storage()
    Path("/run/repository").mkdir()
    repository = Repository.create(Path("/run/repository/images"))
    parts = (captured_with_and_without, known_again, killed, overflowed, running_head)
    for part in parts:
        began = time.monotonic()
        part(repository)
        found(f"{part.__name__} took", round(time.monotonic() - began, 1))
    found("mounts", [w for w in Path("/proc/mounts").read_text().split() if "shots" in w])


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        subprocess.run(["dmesg"], check=False)
    found("end", None)
