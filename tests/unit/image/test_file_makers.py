"""Files made by other processes: as those made here, and nothing of theirs is left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from haoscar_pxe.errors import IntegrityError, RestoreError
from haoscar_pxe.image.compare import compare
from haoscar_pxe.image.entry import Directory, Entry, Extent, File, HardLink, Metadata
from haoscar_pxe.image.file_makers import BATCH_FILES, FileMakers
from haoscar_pxe.image.filling import LATER_MAX
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.restore import restore

META = Metadata(0o755, os.geteuid(), os.getegid(), 5)
ROOT = Directory(b"", META)


@pytest.fixture
def chunks(tmp_path: Path) -> ChunkReader:
    return ChunkReader(Repository.create(tmp_path / "repository").store)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    descriptors, processes = set(os.listdir("/proc/self/fd")), children()
    yield
    assert set(os.listdir("/proc/self/fd")) == descriptors
    assert children() <= processes


def children() -> set[str]:
    """Process ids of this process's children, of whichever thread, also those not waited for."""
    lists = Path("/proc/self/task").glob("*/children")
    return {pid for each in lists for pid in each.read_text().split()}


def lay(entries: list[Entry] | Iterator[Entry], chunks: ChunkReader, target: Path) -> None:
    restore(entries, chunks, target, Silence(), makers=2)


def test_more_folders_than_descriptors_and_links_across_batches(
    chunks: ChunkReader, tmp_path: Path
) -> None:
    tree: list[Entry] = [ROOT]
    for number in range(3 * LATER_MAX):
        folder = b"%04d" % number
        tree.append(Directory(folder, META))
        tree.extend(File(folder + b"/%d" % file, META, file) for file in range(3))
        tree.append(HardLink(folder + b"/link", b"%04d/0" % (number // 2)))
    lay(tree, chunks, tmp_path / "target")
    assert compare(iter(tree), tmp_path / "target", Silence()) == []


def test_a_file_that_is_there_already_ends_the_restore(chunks: ChunkReader, tmp_path: Path) -> None:
    twice = [File(b"a", META, 0), *(File(b"%d" % n, META, 0) for n in range(3 * BATCH_FILES))]
    with pytest.raises(RestoreError, match="/'a': File exists"):
        lay([ROOT, File(b"a", META, 0), *twice], chunks, tmp_path / "target")


def test_what_reading_raises_comes_up_as_it_is(chunks: ChunkReader, tmp_path: Path) -> None:
    lost = File(b"lost", META, 5, (Extent(0, 5, bytes(32)),))
    with pytest.raises(IntegrityError, match="chunk 000000000000 is not in") as caught:
        lay([ROOT, lost], chunks, tmp_path / "target")
    assert "image verify" in caught.value.hint


def test_a_maker_that_is_killed_is_told_of(chunks: ChunkReader, tmp_path: Path) -> None:
    folder_fd = os.open(tmp_path, os.O_RDONLY)
    with FileMakers(1, chunks) as makers:
        os.kill(makers.processes[0], signal.SIGKILL)
        with pytest.raises(RestoreError, match="is gone"):
            make_one(makers, folder_fd)
    os.close(folder_fd)


def make_one(makers: FileMakers, folder_fd: int) -> None:
    makers.add(File(b"a", META, 0), b"", folder_fd)
    makers.send()
    makers.wait()


def test_makers_end_when_their_caller_is_killed(chunks: ChunkReader, tmp_path: Path) -> None:
    told = tmp_path / "told"
    caller = os.fork()
    if not caller:
        with FileMakers(2, chunks) as makers:
            told.write_text(" ".join(map(str, makers.processes)))
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(caller, 0)
    deadline = time.monotonic() + 10
    while any(is_running(process) for process in told.read_text().split()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_running(process: str) -> bool:
    """Whether it is there and no zombie that its new parent has not asked for yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
