"""A capture as a whole: into a real repository, and back out of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from haoscar_pxe.capture.capture import CaptureOptions, capture
from haoscar_pxe.capture.report import CaptureReport
from haoscar_pxe.errors import BusyError, CaptureError, RepositoryError
from haoscar_pxe.image.compare import compare
from haoscar_pxe.image.entry import Directory, Entry
from haoscar_pxe.image.layout import file_systems
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader, entries, find
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.restore import restore
from haoscar_pxe.image.signing import SigningKey, TrustedKeys
from tests.unit.capture.disks.test_boot_facts import add_kernel
from tests.unit.capture.layouts import root_and_boot
from tests.unit.capture.sealing import SEALING
from tests.unit.image import awkward

KEY = SigningKey(bytes(range(32)))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "etc").mkdir(parents=True)
    (root / "etc/hostname").write_text("primary\n")
    (root / "etc/fstab").write_text("UUID=12345678-aaaa-bbbb-cccc-123456789abc / ext4 noatime\n")
    add_kernel(root, "6.1.0-50-amd64")
    return root


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "repository")


def take(repository: Repository, root: Path, *excluded: Path) -> CaptureReport:
    options = CaptureOptions(
        root=root,
        image="primary",
        sealing=SEALING,
        excluded=tuple(os.fsencode(path) for path in excluded),
    )
    return capture(options, repository, KEY, Silence())


def captured(repository: Repository, report: CaptureReport) -> list[Entry]:
    return list(entries(report.manifest, ChunkReader(repository.store)))


def test_every_awkward_file_comes_back_as_it_was(repository: Repository, tmp_path: Path) -> None:
    tree, back = tmp_path / "awkward", tmp_path / "back"
    tree.mkdir()
    back.mkdir()
    awkward.build(tree)
    report = take(repository, tree)
    assert report.unstable == report.vanished == ()
    chunks = ChunkReader(repository.store)
    restore(entries(report.manifest, chunks), chunks, back, Silence())
    for folder in (tree, back):
        assert compare(entries(report.manifest, chunks), folder, Silence()) == []


def test_record_says_what_the_tree_is(repository: Repository, tree: Path) -> None:
    manifest = take(repository, tree).manifest
    [root] = file_systems(manifest.layout)
    assert manifest.host_name == "primary"
    assert manifest.consistency == "tree"
    assert manifest.layout.is_default
    assert manifest.layout.boot.kernel_release == "6.1.0-50-amd64"
    assert root.uuid == "12345678-aaaa-bbbb-cccc-123456789abc"
    files, folders = 2, 7
    assert root.used_bytes == (files + folders) * 4096
    assert abs(manifest.created_ns - time.time_ns()) < 60 * 10**9


def test_second_capture_of_the_same_tree_stores_no_content_anew(
    repository: Repository, tree: Path
) -> None:
    (tree / "data").write_bytes(os.urandom(3 << 20))
    first = take(repository, tree).manifest
    second = take(repository, tree).manifest
    assert (first.generation, second.generation) == (1, 2)
    assert second.pages == first.pages
    assert second.layout == first.layout
    assert second.packed_bytes < 10_000 < first.packed_bytes


def test_repository_inside_the_tree_is_kept_as_an_empty_folder(tree: Path) -> None:
    inside = Repository.create(tree / "srv/images")
    (tree / "srv/state").mkdir()
    (tree / "srv/state/leases").touch()
    report = take(inside, tree, tree / "srv/state")
    paths = [entry.path for entry in captured(inside, report) if entry.path.startswith(b"srv/")]
    assert paths == [b"srv/images", b"srv/state"]
    assert {(one.path, one.reason) for one in report.left_out} == {
        (b"srv/images", "the repository itself"),
        (b"srv/state", "excluded by the configuration"),
    }


def test_tree_inside_an_excluded_folder_is_captured(repository: Repository, tree: Path) -> None:
    report = take(repository, tree, tree.parent)
    assert report.manifest.entry_count > 5


def test_given_layout_is_recorded_with_the_bytes_that_each_place_takes(
    repository: Repository, tree: Path
) -> None:
    (tree / "boot/initrd.img").write_bytes(b"x" * 5000)
    file = tree.parent / "layout.json"
    file.write_bytes(root_and_boot())
    options = CaptureOptions(root=tree, image="primary", sealing=SEALING, layout_file=file)
    layout = capture(options, repository, KEY, Silence()).manifest.layout
    root, boot = file_systems(layout)
    assert not layout.is_default
    assert boot.used_bytes == 4096 + 8192
    assert root.used_bytes > 0
    assert layout.boot.kernel_release == "6.1.0-50-amd64"


def test_warnings_come_with_the_report(repository: Repository, tree: Path) -> None:
    sentences = " ".join(one.sentence for one in take(repository, tree).warnings)
    assert "GRUB" in sentences


def test_what_is_no_folder_is_refused(repository: Repository, tree: Path) -> None:
    for wrong in (tree / "nowhere", tree / "etc/fstab"):
        with pytest.raises(CaptureError, match=wrong.name):
            take(repository, wrong)
    with pytest.raises(CaptureError, match="the repository itself"):
        take(repository, repository.path)
    with pytest.raises(RepositoryError):
        repository.generations("primary")


def test_what_cannot_be_looked_at_is_said_in_a_sentence(repository: Repository, tree: Path) -> None:
    (tree / "lib").symlink_to("n" * 300)
    with pytest.raises(CaptureError, match=r"cannot be captured: .*File name too long"):
        take(repository, tree)


def test_two_captures_of_one_image_at_once_do_not_mix(repository: Repository, tree: Path) -> None:
    with repository.writer("primary"), pytest.raises(BusyError):
        take(repository, tree)


def test_interrupted_capture_leaves_nothing_visible(repository: Repository, tree: Path) -> None:
    class Interrupted(Silence):
        def advance(self, size_bytes: int, entries: int = 1) -> None:
            raise KeyboardInterrupt

    options = CaptureOptions(root=tree, image="primary", sealing=SEALING)
    with pytest.raises(KeyboardInterrupt):
        capture(options, repository, KEY, Interrupted())
    assert repository.images() == []
    assert list((repository.path / "tmp").iterdir()) == []
    assert take(repository, tree).manifest.generation == 1


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_killed_capture_leaves_nothing_visible_and_the_next_one_works(
    repository: Repository, tree: Path, signum: signal.Signals
) -> None:
    for number in range(300):
        (tree / f"data{number}").write_bytes(os.urandom(50_000))
    program = (
        "import sys; from pathlib import Path\n"
        "from haoscar_pxe.capture.capture import CaptureOptions, capture\n"
        "from haoscar_pxe.capture.files.secrets import Sealing, SecretRules\n"
        "from haoscar_pxe.image.progress import Silence\n"
        "from haoscar_pxe.image.repository import Repository\n"
        "from haoscar_pxe.image.sealing import OpeningKey\n"
        "from haoscar_pxe.image.signing import SigningKey\n"
        "class Halfway(Silence):\n"
        "    count = 0\n"
        "    def advance(self, size_bytes, entries=1):\n"
        "        self.count += 1\n"
        "        if self.count == 150: print('halfway', flush=True); sys.stdin.read()\n"
        "sealing = Sealing(OpeningKey.generate('primary').public, SecretRules())\n"
        "options = CaptureOptions(Path(sys.argv[1]), 'primary', sealing)\n"
        "repository = Repository.open(Path(sys.argv[2]))\n"
        "capture(options, repository, SigningKey(bytes(32)), Halfway())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tree), str(repository.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"halfway\n"
        child.send_signal(signum)
        assert child.wait(30) == -signum
    assert repository.images() == []
    report = take(repository, tree)
    assert report.manifest.generation == 1
    assert len(list((repository.path / "tmp").iterdir())) == 0
    verified = repository.manifest("primary", None, TrustedKeys.of(KEY.public))
    assert verified.id == report.manifest.id


@awkward.needs_root
def test_running_machine_is_captured_as_live(repository: Repository, tree: Path) -> None:
    """Everything but /etc is excluded, so that the test is quick; only root may read all of it."""
    names = [path for path in Path("/").iterdir() if path.name != "etc" and path.is_dir()]
    options = CaptureOptions(
        root=Path("/"),
        image="primary",
        sealing=SEALING,
        excluded=tuple(os.fsencode(path) for path in names),
        layout_file=layout_of_one_root(tree),
        live=True,
    )
    report = capture(options, repository, KEY, Silence())
    chunks = ChunkReader(repository.store)
    assert report.manifest.consistency == "live"
    assert report.manifest.host_name == os.uname().nodename
    assert find(report.manifest, chunks, b"etc/passwd") is not None
    assert isinstance(find(report.manifest, chunks, b"usr"), Directory)
    assert report.mounts[0].belongs


def layout_of_one_root(folder: Path) -> Path:
    path = folder.parent / "layout.json"
    path.write_bytes(root_and_boot())
    return path
