"""The repository as a folder: generations, locks, killed writers, full disks."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from haoscar_pxe.errors import (
    BusyError,
    IntegrityError,
    RepositoryError,
    StorageError,
)
from haoscar_pxe.image.entry import Directory, Entry, Extent, Fifo, File, HardLink, Metadata
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader, entries
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import SigningKey, TrustedKeys
from haoscar_pxe.image.tree import MalformedTreeError
from haoscar_pxe.image.verify import verify_repository
from haoscar_pxe.image.writer import GenerationWriter
from tests.unit.image.awkward import needs_root
from tests.unit.image.tree_reading import KEY, RECORD, store_tree

META = Metadata(0o755, 0, 0, 5)
ROOT = Directory(b"", META)
TRUSTED = TrustedKeys.of(KEY.public)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "repository")


def store(repository: Repository, *below: Entry, root: Entry = ROOT) -> Manifest:
    with repository.writer("primary") as writer:
        for entry in (root, *below):
            writer.add_entry(entry)
        return writer.commit(RECORD, KEY)


def store_noise(repository: Repository, size_bytes: int) -> Manifest:
    """A generation of one file that nothing compresses."""
    dice = random.Random(4)
    with repository.writer("primary") as writer:
        writer.add_entry(ROOT)
        for _ in range(size_bytes // 100_000):
            writer.add_chunk(dice.randbytes(100_000))
        return writer.commit(RECORD, KEY)


def a_file(writer: GenerationWriter, path: bytes, data: bytes) -> File:
    return File(path, META, len(data), (Extent(0, len(data), writer.add_chunk(data)),))


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond size_bytes; writing there is EFBIG."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


def is_sound(repository: Repository) -> bool:
    return verify_repository(repository, TRUSTED, Silence()).is_good


def test_making_a_repository_again_changes_nothing(repository: Repository) -> None:
    made = store(repository)
    again = Repository.create(repository.path)
    assert again.manifest("primary", 1, TRUSTED) == made


def test_a_folder_that_is_no_repository_is_named_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="is not a repository") as caught:
        Repository.open(tmp_path)
    assert "haoscar-pxe init" in caught.value.hint


def test_a_newer_format_is_refused(repository: Repository) -> None:
    (repository.path / "format").write_text("haoscar-pxe repository 2\n")
    with pytest.raises(RepositoryError, match="repository 2"):
        Repository.open(repository.path)


def test_generations_count_up_and_name_their_parents(repository: Repository) -> None:
    made = [store(repository, Fifo(b"f%d" % number, META)) for number in range(3)]
    assert repository.generations("primary") == [1, 2, 3]
    assert [each.parent for each in made] == ["", made[0].id, made[1].id]
    assert repository.manifest("primary", None, TRUSTED) == made[2]
    assert repository.images() == ["primary"]


def test_a_file_among_the_images_is_passed_over(repository: Repository) -> None:
    store(repository)
    (repository.path / "images/README.md").write_text("Images of this site.\n")
    assert repository.images() == ["primary"]
    assert repository.generations("primary") == [1]


def test_unknown_images_and_generations_are_answered_with_the_known(
    repository: Repository,
) -> None:
    store(repository)
    with pytest.raises(RepositoryError, match=r"no image 'other' \(it has: primary\)"):
        repository.generations("other")
    with pytest.raises(RepositoryError, match=r"no generation 7 \(it has 1\)"):
        repository.manifest("primary", 7, TRUSTED)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", ".hidden", "x" * 65, "new\nline", "ü"])
def test_a_name_that_could_be_a_path_is_no_image(repository: Repository, name: str) -> None:
    with pytest.raises(RepositoryError, match="cannot be the name"), repository.writer(name):
        pass
    with pytest.raises(RepositoryError, match="cannot be the name"):
        repository.manifest_path(name, 1)


def test_what_is_not_committed_is_not_there(repository: Repository) -> None:
    with repository.writer("primary") as writer:
        writer.add_entry(ROOT)
        writer.add_chunk(b"never to be seen")
    assert repository.images() == []
    assert repository.store.pack_ids() == []
    assert list((repository.path / "tmp").iterdir()) == []


def test_content_is_stored_once(repository: Repository) -> None:
    data = random.Random(1).randbytes(300_000)
    with repository.writer("one") as writer:
        writer.add_entry(ROOT)
        for name in (b"a", b"b"):
            writer.add_entry(a_file(writer, name, data))
        first = writer.commit(RECORD, KEY)
    with repository.writer("two") as writer:
        writer.add_entry(ROOT)
        writer.add_entry(a_file(writer, b"c", data))
        second = writer.commit(RECORD, KEY)
    assert 300_000 < first.packed_bytes < 302_000
    assert second.packed_bytes < 2_000
    assert (first.logical_bytes, first.stored_bytes) == (600_000, 600_000)


def test_an_unchanged_tree_adds_no_pack(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    for number in range(2000):
        (tmp_path / "tree" / str(number)).write_text(str(number))
    first = store_tree(repository, tmp_path / "tree")
    second = store_tree(repository, tmp_path / "tree")
    assert second.packed_bytes == 0
    assert second.pages == first.pages
    assert second.id != first.id


def test_one_changed_entry_changes_few_pages(repository: Repository) -> None:
    names = [Fifo(b"%06d" % number, META) for number in range(20_000)]
    first = store(repository, *names)
    second = store(repository, *names[:10_000], Fifo(b"010000-new", META), *names[10_001:])
    changed = {page.chunk_id for page in second.pages} - {page.chunk_id for page in first.pages}
    assert len(first.pages) > 15
    assert len(changed) <= 2


def test_the_second_capture_of_an_image_is_told_who_does_the_first(
    repository: Repository,
) -> None:
    with (
        repository.writer("primary"),
        pytest.raises(BusyError, match=f"pid {os.getpid()} on"),
        repository.writer("primary"),
    ):
        pass
    store(repository)


def test_two_images_are_written_at_once(repository: Repository) -> None:
    with repository.writer("one") as one, repository.writer("two") as two:
        for writer in (one, two):
            writer.add_entry(ROOT)
            writer.add_entry(a_file(writer, b"same", b"the same bytes" * 100))
        one.commit(RECORD, KEY)
        two.commit(RECORD, KEY)
    assert repository.images() == ["one", "two"]
    assert is_sound(repository)


@pytest.mark.parametrize(
    "wrong",
    [
        [Fifo(b"first", META)],
        [ROOT, Fifo(b"b", META), Fifo(b"a", META)],
        [ROOT, Fifo(b"a", META), Fifo(b"a", META)],
        [ROOT, Fifo(b"no/parent", META)],
        [ROOT, Fifo(b"../out", META)],
        [ROOT, File(b"a", META, 5, (Extent(0, 5, bytes(32)),))],
        [ROOT, Directory(b"a", META), HardLink(b"b", b"a")],
        [ROOT, HardLink(b"b", b"a")],
    ],
)
def test_a_tree_that_no_reader_would_take_is_not_committed(
    repository: Repository, wrong: list[Entry]
) -> None:
    with pytest.raises(MalformedTreeError):
        store(repository, *wrong[1:], root=wrong[0])
    assert repository.images() == []


def test_after_a_write_that_failed_nothing_is_committed(repository: Repository) -> None:
    with repository.writer("primary") as writer:
        writer.add_entry(ROOT)
        with file_size_limit(1 << 20), pytest.raises(StorageError):
            # What is compressed beside the caller is written a little later.
            list(map(writer.add_chunk, (random.Random(n).randbytes(2 << 20) for n in range(40))))
        with pytest.raises(RepositoryError, match="can commit nothing more"):
            writer.commit(RECORD, KEY)


def test_an_empty_tree_is_not_committed(repository: Repository) -> None:
    with repository.writer("primary") as writer, pytest.raises(IntegrityError):
        writer.commit(RECORD, KEY)
    assert repository.images() == []


def test_a_manifest_of_another_signer_is_not_trusted(repository: Repository) -> None:
    store(repository)
    stranger = TrustedKeys.of(SigningKey(bytes(32)).public)
    with pytest.raises(IntegrityError, match="not trusted"):
        repository.manifest("primary", 1, stranger)


def test_an_old_manifest_under_a_new_name_is_refused(repository: Repository) -> None:
    """Rolling a node back by renaming a genuine manifest must not work."""
    store(repository)
    store(repository, Fifo(b"newer", META))
    os.replace(repository.manifest_path("primary", 1), repository.manifest_path("primary", 2))
    with pytest.raises(IntegrityError, match="generation 1"):
        repository.manifest("primary", 2, TRUSTED)


def test_a_generation_is_never_replaced(repository: Repository) -> None:
    store(repository)
    good = repository.manifest_path("primary", 1).read_bytes()
    with repository.writer("primary") as writer:
        writer.add_entry(ROOT)
        repository.manifest_path("primary", 2).write_bytes(b"somebody was here")
        with pytest.raises(RepositoryError, match="nothing was replaced"):
            writer.commit(RECORD, KEY)
    assert repository.manifest_path("primary", 2).read_bytes() == b"somebody was here"
    assert repository.manifest_path("primary", 1).read_bytes() == good


def test_a_damaged_pack_is_stored_again_by_the_next_capture(
    repository: Repository, tmp_path: Path
) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").write_bytes(b"content" * 1000)
    store_tree(repository, tmp_path / "tree")
    for pack_id in repository.store.pack_ids():
        repository.store.pack_path(pack_id).write_bytes(b"garbage")
    store_tree(repository, tmp_path / "tree")
    chunks = ChunkReader(repository.store)
    assert len(list(entries(repository.manifest("primary", 2, TRUSTED), chunks))) == 2


WRITER = """
import sys
from pathlib import Path
from haoscar_pxe.image.repository import Repository
from tests.unit.image.tree_reading import store_tree
print("ready", flush=True)
store_tree(Repository.open(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def start_writer(repository: Repository, tree: Path) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", WRITER, str(repository.path), str(tree)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "."})


def wait_until_ready(writer: subprocess.Popen[bytes]) -> None:
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"


def test_a_killed_writer_leaves_nothing_visible(repository: Repository, tmp_path: Path) -> None:
    """SIGKILL at moments spread over the whole capture; the next capture works and cleans up."""
    tree = tmp_path / "tree"
    tree.mkdir()
    dice = random.Random(3)
    for number in range(400):
        (tree / str(number)).write_bytes(dice.randbytes(20_000))
    store_tree(repository, tree)
    (tree / "changed").write_bytes(b"so that each try has something to write" * 1000)
    with start_writer(Repository.create(tmp_path / "other"), tree) as undisturbed:
        wait_until_ready(undisturbed)
        started = time.monotonic()
        assert undisturbed.wait() == 0
        whole_s = time.monotonic() - started
    for turn in range(12):
        (tree / "changed").write_bytes(dice.randbytes(3_000_000))
        with start_writer(repository, tree) as writer:
            wait_until_ready(writer)
            time.sleep(whole_s * turn / 12)
            writer.send_signal(signal.SIGKILL)
        committed = max(repository.generations("primary"))
        assert repository.manifest("primary", committed, TRUSTED).generation == committed
    assert is_sound(repository)
    assert store_tree(repository, tree).generation == committed + 1
    assert list((repository.path / "tmp").iterdir()) == []
    assert is_sound(repository)


def test_a_file_size_limit_is_a_storage_error_and_loses_nothing(repository: Repository) -> None:
    store(repository)
    with (
        file_size_limit(1 << 20),
        pytest.raises(StorageError, match="cannot write the pack"),
    ):
        store_noise(repository, 3_000_000)
    assert repository.generations("primary") == [1]
    assert list((repository.path / "tmp").iterdir()) == []
    assert store(repository).generation == 2


@needs_root
def test_a_full_disk_says_how_much_is_free_and_loses_nothing(tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", mount], check=True)
    try:
        repository = Repository.create(mount / "repository")
        store(repository)
        with pytest.raises(StorageError, match=r"No space left.*GiB free") as caught:
            store_noise(repository, 10_000_000)
        assert "free some space" in caught.value.hint
        assert repository.generations("primary") == [1]
        assert store(repository).generation == 2
        assert is_sound(repository)
    finally:
        subprocess.run(["umount", mount], check=True)
