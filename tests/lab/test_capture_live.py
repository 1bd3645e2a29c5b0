"""A head that runs is captured over ssh: nothing was prepared on it but sshd and a key."""

from __future__ import annotations

import time
from collections.abc import Iterator
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

import haoscar_pxe
from haoscar_pxe.boot.bundle import build_bundle
from haoscar_pxe.capture.capture import CaptureOptions, capture
from haoscar_pxe.capture.hooks import Hooks
from haoscar_pxe.capture.remote.capture_head import Head, capture_remote
from haoscar_pxe.capture.remote.delivery import AgentBundle
from haoscar_pxe.capture.report import CaptureReport
from haoscar_pxe.capture.snapshot.sight import Wish
from haoscar_pxe.command import run
from haoscar_pxe.errors import CaptureError, CommandError
from haoscar_pxe.image.entry import File
from haoscar_pxe.image.layout import BiosBoot, FileSystem, Swap
from haoscar_pxe.image.progress import Progress, Silence
from haoscar_pxe.image.reader import ChunkReader, entries, find, read_file
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import SigningKey
from haoscar_pxe.install.plan import explain, plan
from haoscar_pxe.install.sizing import ImageTotals
from haoscar_pxe.rehearse.accelerator import accelerator
from haoscar_pxe.rehearse.head import PAGE, make_head
from haoscar_pxe.rehearse.live_head import (
    BOOT_UUID,
    DISK_ID,
    ROOT_UUID,
    SWAP_UUID,
    LiveHead,
    live_head,
)
from haoscar_pxe.rehearse.network import network
from haoscar_pxe.rehearse.steps import Quiet
from haoscar_pxe.rehearse.work_folder import held
from tests.needed import need
from tests.unit.capture.sealing import SEALING
from tests.unit.install.machines import disk, order

pytestmark = pytest.mark.lab

WORK = Path(haoscar_pxe.__file__).parents[1] / ".work" / "tests"
PROGRAMS = ("qemu-system-x86_64", "debootstrap", "sfdisk", "mke2fs", "ssh", "ssh-keygen")
KEY = SigningKey(bytes(range(32)))
NOISE = 8 << 20
GIB = 1 << 30


class Lab:
    """A head that runs, and a repository that holds its tree as it was before it ran."""

    def __init__(self, head: LiveHead, repository: Repository, bundle: AgentBundle) -> None:
        self.head = head
        self.repository = repository
        self._bundle = bundle

    def there(self, script: str) -> str:
        """What a script prints on the head."""
        return self.head.ssh.run(script, run)

    def capture(
        self, hooks: Hooks | None = None, progress: Progress | None = None
    ) -> CaptureReport:
        """Capture the head as an image `primary`."""
        options = CaptureOptions(
            root=Path("/"),
            image="primary",
            sealing=SEALING,
            live=True,
            hooks=hooks or Hooks(),
            wish=Wish("auto", 20),
        )
        return capture_remote(
            options,
            Head(self.head.ssh),
            self._bundle,
            self.repository,
            KEY,
            progress or Silence(),
            pauses_s=(1.0,),
        )


class Disaster:
    """A Progress that pulls the head's plug when some of its files have come."""

    def __init__(self, head: LiveHead) -> None:
        self._head = head
        self._entries = 0

    def expect(self, total_bytes: int) -> None:
        """Not yet."""

    def advance(self, size_bytes: int, entries: int = 1) -> None:
        self._entries += entries
        if self._entries > 2000 and self._head.is_on:
            self._head.pull_the_plug()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    need(*PROGRAMS)
    folder = tmp_path_factory.mktemp("live")
    bundle = build_bundle(folder / "bundle")
    with held(WORK, "a test"), network(IPv4Interface("10.77.0.1/24")) as net:
        tree = make_head(WORK, Quiet()).tree
        repository = Repository.create(folder / "repository")
        capture(
            CaptureOptions(root=tree, image="tree", sealing=SEALING), repository, KEY, Silence()
        )
        kernel = next((tree / "boot").glob("vmlinuz-*"))
        with live_head(tree, folder, net, accelerator(kernel, WORK)) as head:
            yield Lab(head, repository, AgentBundle(bundle.id, bundle.folder))


@pytest.fixture(scope="module")
def report(lab: Lab) -> CaptureReport:
    """The first capture, of a head on which something was written since it booted."""
    lab.there(f"head -c {NOISE} /dev/urandom >/srv/results; echo accounts >/var/lib/hpc/notes")
    hooks = Hooks((("cp", "/var/lib/hpc/notes", "/var/lib/hpc/dump"),), (("touch", "/run/after"),))
    return lab.capture(hooks)


def test_the_disk_of_the_running_head_is_recorded_with_the_bundles_own_tools(
    lab: Lab, report: CaptureReport
) -> None:
    with pytest.raises(CommandError):
        lab.there("command -v sfdisk || exit 1")
    [captured] = report.manifest.layout.disks
    assert (captured.table, captured.table_id, captured.device) == ("gpt", DISK_ID, "/dev/vda")
    boot_area, boot, swap, root = (each.content for each in captured.partitions)
    assert isinstance(boot_area, BiosBoot)
    assert isinstance(boot, FileSystem)
    assert isinstance(swap, Swap)
    assert isinstance(root, FileSystem)
    assert (boot.uuid, boot.mount_point, boot.kind) == (BOOT_UUID, "/boot", "ext4")
    assert (root.uuid, root.mount_point, root.kind) == (ROOT_UUID, "/", "ext4")
    assert swap.uuid == SWAP_UUID
    assert root.used_bytes > 400 << 20
    assert boot.used_bytes > 20 << 20
    assert "extent" in root.features


def test_the_record_says_what_was_captured_and_how(lab: Lab, report: CaptureReport) -> None:
    made = report.manifest
    assert (made.host_name, made.consistency) == ("primary", "live")
    assert [(each.place, each.is_snapshot) for each in report.readings] == [
        (b"/", False),
        (b"/boot", False),
    ]
    assert abs(made.created_ns - time.time_ns()) < 600 * 10**9
    assert made.layout.boot.loader == "grub"
    assert made.layout.boot.firmware == "bios"
    assert made.layout.boot.kernel_release == lab.there("uname -r").split()[-1]
    left_out = {each.path for each in report.left_out}
    assert {b"proc", b"sys", b"dev", b"run", b"var/cache/haoscar-pxe"} <= left_out


def test_the_content_is_that_of_the_head_as_it_is_now(lab: Lab, report: CaptureReport) -> None:
    chunks = ChunkReader(lab.repository.store)
    made = report.manifest
    assert read_file(made, chunks, b"var/www/html/index.html") == PAGE.encode()
    assert read_file(made, chunks, b"var/lib/hpc/dump") == b"accounts\n"
    results = find(made, chunks, b"srv/results")
    assert isinstance(results, File)
    assert results.size_bytes == NOISE
    ping = find(made, chunks, b"usr/bin/ping")
    assert isinstance(ping, File)
    assert b"security.capability" in dict(ping.meta.xattrs)
    assert find(made, chunks, b"boot/vmlinuz-" + made.layout.boot.kernel_release.encode())
    for each in (b"proc/", b"var/cache/haoscar-pxe/"):
        assert not any(entry.path.startswith(each) for entry in entries(made, chunks))


def test_after_hooks_ran_on_the_head(lab: Lab, report: CaptureReport) -> None:
    assert "there" in lab.there("[ -e /run/after ] && echo there")


def test_it_would_install_on_a_bare_machine(report: CaptureReport) -> None:
    made = report.manifest
    totals = ImageTotals(content_bytes=made.stored_bytes, entries=made.entry_count)
    planned = plan(made.layout, totals, [disk(size_bytes=8 * GIB)], order(), "bios")
    assert len(planned.partitions) == 4
    assert any(ROOT_UUID[:8] in line for line in explain(planned))


def test_what_the_repository_had_did_not_travel_and_a_second_time_nearly_nothing_does(
    lab: Lab, report: CaptureReport
) -> None:
    assert NOISE < report.received_bytes < NOISE + report.manifest.stored_bytes // 8
    second = lab.capture()
    assert second.manifest.generation == report.manifest.generation + 1
    assert second.received_bytes < NOISE // 2
    agents = lab.there("ls /var/cache/haoscar-pxe").split()
    assert len(agents) == 1


def test_a_head_that_dies_in_the_middle_leaves_nothing(lab: Lab, report: CaptureReport) -> None:
    """The last test of this module: the head does not come back."""
    before = lab.repository.generations("primary")
    with pytest.raises(CaptureError) as caught:
        lab.capture(progress=Disaster(lab.head))
    assert not lab.head.is_on
    assert "10.77.0.10" in str(caught.value)
    assert caught.value.hint
    assert lab.repository.generations("primary") == before
    assert list((lab.repository.path / "tmp").iterdir()) == []
