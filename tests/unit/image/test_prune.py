"""A prune deletes what its plan says, frees the space, and loses nothing that stays."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from blake3 import blake3

from haoscar_pxe.errors import BusyError, IntegrityError, RepositoryError, StorageError
from haoscar_pxe.image.entry import Entry, Extent, Fifo, File
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.prune import PruneReport, prune
from haoscar_pxe.image.reader import ChunkReader, entries, extents, packs_of
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.retention import RetentionPolicy
from haoscar_pxe.image.verify import verify_generation, verify_repository
from tests.unit.image.awkward import needs_root
from tests.unit.image.generations import META, ROOT, TRUSTED, a_file, store_entries
from tests.unit.image.pruning import (
    EVERYTHING,
    LAST,
    contents,
    is_sound,
    packs_bytes,
    plan_of,
    prune_now,
)
from tests.unit.image.tree_reading import KEY, RECORD

KIB = 1 << 10


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "repository")


def noise(seed: int, size_bytes: int = 50 * KIB) -> bytes:
    return random.Random(seed).randbytes(size_bytes)


def store(repository: Repository, *seeds: int, image: str = "primary") -> Manifest:
    """A generation with a file of noise for each seed."""
    with repository.writer(image) as writer:
        writer.add_entry(ROOT)
        for seed in sorted(seeds):
            writer.add_entry(a_file(writer, b"%06d" % seed, noise(seed)))
        return writer.commit(RECORD, KEY)


def test_deleted_generations_free_what_they_alone_needed(repository: Repository) -> None:
    """Three files each, one shared: gone with the first two are the files that only they had."""
    for first in (1, 11, 21):
        store(repository, 0, first, first + 1)
    before, size_before = contents(repository), packs_bytes(repository)
    report = prune_now(repository)
    assert (report.deleted, repository.generations("primary")) == (2, [3])
    assert contents(repository) == {("primary", 3): before["primary", 3]}
    assert packs_bytes(repository) == size_before - report.freed_bytes
    assert 4 * 50 * KIB <= report.freed_bytes <= 4 * 50 * KIB + 4 * KIB
    assert is_sound(repository)
    assert list((repository.path / "tmp").iterdir()) == []


def test_a_second_prune_finds_nothing_to_do(repository: Repository) -> None:
    for first in (1, 11, 21):
        store(repository, 0, first)
    prune_now(repository)
    packs = repository.store.pack_ids()
    report = prune_now(repository)
    assert (report.deleted, report.removed_packs, report.rewritten_packs) == (0, 0, 0)
    assert report.freed_bytes == 0
    assert repository.store.pack_ids() == packs


def test_numbers_are_never_given_again(repository: Repository) -> None:
    for seed in range(4):
        store(repository, seed)
    prune_now(repository)
    assert store(repository, 9).generation == 5
    prune_now(repository)
    assert store(repository, 10).generation == 6
    assert is_sound(repository)


def test_a_plan_changes_nothing_and_says_what_becomes_of_each_pack(
    repository: Repository,
) -> None:
    store(repository, 1, 2, 3)
    store(repository, 3)
    before = sorted(repository.path.rglob("*"))
    plan = plan_of(repository)
    assert [(each.generation, each.reason) for each in plan.deleted] == [(1, "no rule keeps it")]
    assert (len(plan.packs.removed), len(plan.packs.rewritten)) == (1, 1)
    assert plan.packs.freed_bytes > 100 * KIB
    assert sorted(repository.path.rglob("*")) == before


def test_a_pack_that_is_mostly_needed_stays_as_it_is(repository: Repository) -> None:
    store(repository, 1, 2, 3)
    store(repository, 2, 3)
    plan = plan_of(repository)
    assert plan.packs.rewritten == ()
    assert len(plan.packs.kept) == 2


def test_what_a_dead_capture_left_is_collected(repository: Repository) -> None:
    """Packs that were published without their manifest, and a folder of half-written things."""
    store(repository, 1)
    store(repository, 2)
    repository.manifest_path("primary", 2).unlink()
    leftover = repository.path / "tmp/1234-dead"
    leftover.mkdir()
    (leftover / "data.pack").write_bytes(b"half")
    report = prune_now(repository, EVERYTHING)
    assert (report.deleted, report.removed_packs) == (0, 2)
    assert not leftover.exists()
    assert is_sound(repository)


def test_a_node_in_the_middle_of_reading_keeps_its_packs(repository: Repository) -> None:
    store(repository, 1, 2, 3)
    store(repository, 3)
    manifest = repository.manifest("primary", 2, TRUSTED)
    needed = packs_of(manifest, ChunkReader(repository.store))
    report = prune_now(repository, in_use=lambda: needed)
    assert report.rewritten_packs == 0
    assert [reason for _, reason in report.put_off] == ["a node reads it now"]
    assert set(needed) <= set(repository.store.pack_ids())
    assert prune_now(repository).rewritten_packs == 1


def test_a_reader_from_before_the_prune_goes_on_after_it(repository: Repository) -> None:
    store(repository, *range(8))
    store(repository, 3)
    chunks = ChunkReader(repository.store, memory_bytes=0)
    manifest = repository.manifest("primary", 2, TRUSTED)
    assert prune_now(repository).rewritten_packs == 1
    (entry,) = (each for each in entries(manifest, chunks) if isinstance(each, File))
    assert b"".join(data for _, data in extents(entry, chunks)) == noise(3)
    assert packs_of(manifest, chunks) == repository.store.pack_ids()


def test_the_list_of_packs_is_todays_even_from_an_old_reader(repository: Repository) -> None:
    """A server keeps generations open; the list it gives a node must not name a pack that went."""
    store(repository, *range(8))
    manifest = store(repository, 3)
    chunks = ChunkReader(repository.store)
    packs_of(manifest, chunks)  # its pages are in memory from now on
    prune_now(repository)
    assert set(packs_of(manifest, chunks)) <= set(repository.store.pack_ids())


def test_nobody_prunes_while_a_capture_runs(repository: Repository) -> None:
    store(repository, 1)
    store(repository, 2)
    with repository.writer("other"), pytest.raises(BusyError, match=f"pid {os.getpid()}"):
        prune_now(repository)
    assert repository.generations("primary") == [1, 2]
    prune_now(repository)


def test_nobody_prunes_while_another_prune_runs(repository: Repository) -> None:
    with repository.alone(), pytest.raises(BusyError, match="being pruned"):
        prune_now(repository)


def test_a_capture_waits_for_a_prune_and_sees_only_what_it_left(repository: Repository) -> None:
    """What generation 1 alone needed is gone before the capture looks, so it is stored again."""
    store(repository, 1, 2)
    store(repository, 3)
    made: list[Manifest] = []
    with repository.alone():
        capture = threading.Thread(target=lambda: made.append(store(repository, 1, 2, 3)))
        capture.start()
        time.sleep(0.2)
        assert made == []
        chunks = ChunkReader(repository.store)
        prune(plan_of(repository, chunks=chunks), repository, chunks, frozenset, Silence())
    capture.join()
    assert [each.generation for each in made] == [3]
    assert made[0].packed_bytes > 100 * KIB
    assert is_sound(repository)


def test_a_generation_that_cannot_be_read_stops_everything_until_it_is_given_up(
    repository: Repository,
) -> None:
    """A damaged page: nobody knows what that generation needs."""
    store_entries(repository, [Fifo(b"a", META)])
    store_entries(repository, [Fifo(b"b", META)])
    store_entries(repository, [Fifo(b"c", META)])
    page = repository.manifest("primary", 2, TRUSTED).pages[0].chunk_id
    pack = repository.store.pack_path(ChunkReader(repository.store).pack_of(page))
    damaged = bytearray(pack.read_bytes())
    damaged[20] ^= 1
    pack.write_bytes(damaged)
    with pytest.raises(IntegrityError, match="what primary@2 needs cannot be read") as caught:
        prune_now(repository, RetentionPolicy(2, 0, 0, 0))
    assert "--drop primary@2" in caught.value.hint
    assert repository.generations("primary") == [1, 2, 3]
    prune_now(repository, EVERYTHING, dropped=[("primary", 2)])
    assert repository.generations("primary") == [1, 3]
    assert is_sound(repository)


def test_a_damaged_manifest_stops_everything_until_it_is_given_up(repository: Repository) -> None:
    for seed in range(3):
        store(repository, seed)
    repository.manifest_path("primary", 1).write_bytes(b"damaged")
    with pytest.raises(IntegrityError, match=r"not known what primary@1 needs") as caught:
        prune_now(repository)
    assert "--drop primary@1" in caught.value.hint
    assert repository.generations("primary") == [1, 2, 3]
    prune_now(repository, LAST, dropped=[("primary", 1)])
    assert repository.generations("primary") == [3]


@pytest.mark.parametrize(
    ("dropped", "said"), [(("primary", 2), "the newest"), (("primary", 7), "there is no primary@7")]
)
def test_what_must_stay_or_is_not_there_cannot_be_dropped(
    repository: Repository, dropped: tuple[str, int], said: str
) -> None:
    store(repository, 1)
    store(repository, 2)
    with pytest.raises(RepositoryError, match=said):
        prune_now(repository, dropped=[dropped])
    assert repository.generations("primary") == [1, 2]


def test_a_pack_without_a_readable_index_stays_while_chunks_are_missing(
    repository: Repository,
) -> None:
    store(repository, 1)
    data = ChunkReader(repository.store).pack_of(blake3(noise(1)).digest())
    path = repository.store.pack_path(data)
    path.write_bytes(path.read_bytes()[:-1])
    plan = plan_of(repository, EVERYTHING)
    assert (plan.packs.damaged, plan.packs.spoilt, plan.missing_chunks) == ((data,), (), 1)
    prune_now(repository, EVERYTHING)
    assert path.exists()
    store(repository, 1, 2)  # stores the chunk again, in another pack
    prune_now(repository, EVERYTHING)
    assert not path.exists()
    assert is_sound(repository)


def test_a_damaged_chunk_keeps_its_pack_from_being_rewritten(repository: Repository) -> None:
    store(repository, 1, 2, 3)
    store(repository, 3)
    data = ChunkReader(repository.store).pack_of(blake3(noise(3)).digest())
    path = repository.store.pack_path(data)
    content = bytearray(path.read_bytes())
    content[content.index(noise(3)[:100])] ^= 1
    path.write_bytes(content)
    report = prune_now(repository)
    assert [pack_id for pack_id, _ in report.put_off] == [data]
    assert path.read_bytes() == content


def store_at_once(repository: Repository, one: list[bytes], two: list[bytes]) -> None:
    """Two images written at the same time: what both have is stored twice."""
    with repository.writer("one") as first, repository.writer("two") as second:
        for writer, pieces in ((first, one), (second, two)):
            writer.add_entry(ROOT)
            for number, data in enumerate(pieces):
                writer.add_entry(a_file(writer, b"%d" % number, data))
        first.commit(RECORD, KEY)
        second.commit(RECORD, KEY)


def pack_with(repository: Repository, data: bytes, *, but_not: bytes) -> str:
    """The pack that holds one chunk and not another."""
    for pack in ChunkReader(repository.store).index.packs:
        ids = set(pack.chunk_ids())
        if blake3(data).digest() in ids and blake3(but_not).digest() not in ids:
            return pack.pack_id
    raise AssertionError("there is no such pack")


def test_of_two_copies_the_good_one_is_not_deleted(repository: Repository) -> None:
    """Readers look into the first pack; when its copy is damaged the other is all there is."""
    both, mine, yours = noise(1), noise(2), noise(3)
    store_at_once(repository, [both, mine], [both, yours])
    packs = {pack_with(repository, mine, but_not=yours), pack_with(repository, yours, but_not=mine)}
    first = ChunkReader(repository.store).pack_of(blake3(both).digest())
    (other,) = packs - {first}
    path = repository.store.pack_path(first)
    content = bytearray(path.read_bytes())
    content[content.index(both[:100])] ^= 1
    path.write_bytes(content)
    needs_first = [File(b"f", META, len(both), (Extent(0, len(both), blake3(both).digest()),))]
    for image in ("one", "two"):
        store_entries(repository, needs_first, image=image)
    report = prune_now(repository)
    assert other in dict(report.put_off)
    assert repository.store.pack_path(other).exists()


def test_a_new_pack_with_the_name_of_an_old_one_is_not_removed_as_the_old(
    tmp_path: Path,
) -> None:
    """Two old packs become one that has exactly the bytes, and so the name, of one of them."""
    shared, dead = noise(1), noise(2, 200 * KIB)
    seed = 100
    while True:
        own = noise(seed, 20 * KIB)
        repository = Repository.create(tmp_path / str(seed))
        store_at_once(repository, [shared, dead], [shared, own])
        old, twin = (
            pack_with(repository, dead, but_not=own),
            pack_with(repository, own, but_not=dead),
        )
        if old < twin:  # then the shared chunk is read from `old`, and little of `twin` is needed
            break
        seed += 1
    files: list[Entry] = [
        File(b"%d" % n, META, len(data), (Extent(0, len(data), blake3(data).digest()),))
        for n, data in enumerate((shared, own))
    ]
    for image in ("one", "two"):
        store_entries(repository, files, image=image)
    before = contents(repository)
    report = prune_now(repository)
    assert report.rewritten_packs == 2
    assert twin in repository.store.pack_ids()
    assert old not in repository.store.pack_ids()
    assert is_sound(repository)
    assert contents(repository) == {key: before[key] for key in (("one", 2), ("two", 2))}


def fill(path: Path) -> None:
    """Take all that is free on a disk."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


@needs_root
def test_a_full_disk_is_recovered_by_a_prune(tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", mount], check=True)
    try:
        repository = Repository.create(mount / "repository")
        store(repository, *range(20))
        store(repository, *range(20, 40))
        with pytest.raises(StorageError, match="No space left"):
            store(repository, *range(40, 120))
        fill(mount / "filler")
        assert os.statvfs(mount).f_bavail == 0
        assert prune_now(repository).freed_bytes > 900 * KIB
        assert store(repository, 77).generation == 3
        assert is_sound(repository)
    finally:
        subprocess.run(["umount", mount], check=True)


class PruneOnce:
    """A watcher of a verification that prunes the repository at the first pack it hears of."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self.reports: list[PruneReport] = []

    def expect(self, total_bytes: int) -> None:
        """See Progress."""

    def advance(self, size_bytes: int, entries: int = 1) -> None:
        """See Progress."""
        if not self.reports:
            self.reports.append(prune_now(self._repository))


@pytest.mark.parametrize("generation", [None, 2])
def test_a_verification_meanwhile_finds_no_damage(
    repository: Repository, generation: int | None
) -> None:
    store(repository, *range(9))
    store(repository, 3)
    pruning = PruneOnce(repository)
    if generation is None:
        report = verify_repository(repository, TRUSTED, pruning)
    else:
        report = verify_generation(repository, "primary", None, TRUSTED, pruning)
    assert pruning.reports[0].deleted == 1
    assert pruning.reports[0].rewritten_packs > 0
    assert report.problems == ()
    assert report.generations == 1
