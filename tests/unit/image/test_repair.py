"""A repair keeps every good chunk, brings back what is elsewhere, and names what stays lost."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from haoscar_pxe.image.elsewhere import Elsewhere, OtherRepository, Tree
from haoscar_pxe.image.pack import FOOTER
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader, find
from haoscar_pxe.image.repair import RepairReport, repair
from haoscar_pxe.image.repair_plan import RepairPlan, plan_repair
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.store import read_index
from haoscar_pxe.image.verify import verify_repository
from tests.unit.image.generations import TRUSTED
from tests.unit.image.killed import run_killed
from tests.unit.image.pruning import content_of, contents, prune_now
from tests.unit.image.tree_reading import store_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files that compress and files that do not."""
    dice = random.Random(3)
    tree = tmp_path / "tree"
    (tree / "folder").mkdir(parents=True)
    for number in range(12):
        noise = dice.randbytes(3000)
        content = noise if number % 2 else noise[:500] + b"a line that compresses\n" * 200
        (tree / "folder" / f"{number:02}").write_bytes(content)
    return tree


@pytest.fixture
def repository(tmp_path: Path, tree: Path) -> Repository:
    repository = Repository.create(tmp_path / "repository")
    store_tree(repository, tree)
    return repository


def planned(repository: Repository, elsewhere: Sequence[Elsewhere] = ()) -> RepairPlan:
    return plan_repair(repository, TRUSTED, elsewhere, Silence())


def repaired(repository: Repository, elsewhere: Sequence[Elsewhere] = ()) -> RepairReport:
    with repository.alone():
        return repair(planned(repository, elsewhere), repository, (), Silence())


def problems(repository: Repository) -> list[str]:
    return [str(each) for each in verify_repository(repository, TRUSTED, Silence()).problems]


def pack_with(repository: Repository, path: bytes) -> Path:
    """The pack that holds the file's content, or with b"" the pages."""
    manifest = repository.manifest("primary", 1, TRUSTED)
    chunks = ChunkReader(repository.store)
    entry = find(manifest, chunks, path) if path else None
    chunk_id = entry.extents[0].chunk_id if entry else manifest.pages[0].chunk_id  # type: ignore[union-attr]
    return repository.store.pack_path(chunks.pack_of(chunk_id))


def damage_chunk(repository: Repository, path: bytes) -> Path:
    """Flip a bit in the middle of the file's content, as it lies in its pack."""
    pack = pack_with(repository, path)
    entry = find(repository.manifest("primary", 1, TRUSTED), ChunkReader(repository.store), path)
    chunk_id = entry.extents[0].chunk_id  # type: ignore[union-attr]
    index = read_index(repository.store, pack.stem)
    row = list(index.chunk_ids()).index(chunk_id)
    flip(pack, index.location(row).offset_bytes + 100)
    return pack


def flip(file: Path, position: int) -> None:
    content = bytearray(file.read_bytes())
    content[position] ^= 4
    file.write_bytes(content)


def test_a_whole_repository_needs_nothing(repository: Repository) -> None:
    plan = planned(repository)
    assert plan.is_nothing
    assert plan.is_complete


def test_one_bad_chunk_costs_one_file_and_the_pack_is_kept_aside(repository: Repository) -> None:
    pack = damage_chunk(repository, b"folder/03")
    spoilt = pack.read_bytes()
    plan = planned(repository)
    assert [(loss.generation, loss.files) for loss in plan.losses] == [(1, (b"folder/03",))]
    report = repaired(repository)
    assert (report.moved_packs, report.kept_chunks) == (1, 11)
    assert (repository.path / "damaged" / pack.name).read_bytes() == spoilt
    assert not pack.exists()
    assert len(problems(repository)) == 1
    assert "folder/03" in problems(repository)[0]


def test_a_capture_stores_anew_what_was_lost_for_the_old_generation_too(
    repository: Repository, tree: Path
) -> None:
    before = content_of(repository, "primary", 1)
    damage_chunk(repository, b"folder/03")
    store_tree(repository, tree)
    assert problems(repository)  # the damaged pack still says that it has the chunk
    repaired(repository)
    store_tree(repository, tree)
    assert problems(repository) == []
    assert content_of(repository, "primary", 1) == before


def _flip_name(pack: Path) -> None:
    flip(pack, 3)


def _flip_kind(pack: Path) -> None:
    content = bytearray(pack.read_bytes())
    content[10] ^= 1
    pack.write_bytes(content)


def _flip_row(pack: Path) -> None:
    flip(pack, pack.stat().st_size - FOOTER.size - 1)


def _flip_footer(pack: Path) -> None:
    flip(pack, pack.stat().st_size - 3)


def _append(pack: Path) -> None:
    pack.write_bytes(pack.read_bytes() + b"more")


@pytest.mark.parametrize("path", [b"folder/03", b""], ids=["data", "pages"])
@pytest.mark.parametrize("spoil", [_flip_name, _flip_kind, _flip_footer])
def test_a_pack_whose_frame_alone_is_damaged_loses_nothing(
    repository: Repository, spoil: Callable[[Path], None], path: bytes
) -> None:
    before = contents(repository)
    spoil(pack_with(repository, path))
    assert problems(repository)
    assert planned(repository).is_complete
    repaired(repository)
    assert problems(repository) == []
    assert contents(repository) == before
    assert planned(repository).is_nothing


def test_of_a_damaged_index_all_other_rows_are_used(repository: Repository) -> None:
    _flip_row(pack_with(repository, b"folder/03"))
    plan = planned(repository)
    assert [len(loss.files) for loss in plan.losses] == [1]


@pytest.mark.parametrize(
    "spoil", [_append, lambda pack: pack.write_bytes(pack.read_bytes()[:-200])]
)
def test_without_an_index_what_compresses_is_found(
    repository: Repository, spoil: Callable[[Path], None]
) -> None:
    spoil(pack_with(repository, b"folder/03"))
    lost = [path for loss in planned(repository).losses for path in loss.files]
    assert all(int(path[-2:]) % 2 for path in lost)
    repaired(repository)
    assert len(problems(repository)) == len(lost)


def test_what_another_repository_has_is_brought(repository: Repository, tmp_path: Path) -> None:
    other = Repository.open(shutil.copytree(repository.path, tmp_path / "other"))
    before = contents(repository)
    damage_chunk(repository, b"folder/03")
    pack_with(repository, b"").unlink()
    flip(repository.manifest_path("primary", 1), 200)
    elsewhere = [OtherRepository(other.path)]
    assert planned(repository, elsewhere).is_complete
    report = repaired(repository, elsewhere)
    assert (report.found_chunks, report.replaced_manifests) == (2, 1)
    assert problems(repository) == []
    assert contents(repository) == before
    assert (repository.path / "damaged/primary-1.manifest").exists()


def test_a_manifest_that_is_not_the_next_ones_parent_replaces_nothing(
    repository: Repository, tmp_path: Path, tree: Path
) -> None:
    other = Repository.create(tmp_path / "other")
    (tree / "another").write_bytes(b"history")
    store_tree(other, tree)
    store_tree(repository, tree)
    flip(repository.manifest_path("primary", 1), 200)
    plan = planned(repository, [OtherRepository(other.path)])
    assert [each.replacement for each in plan.manifests] == [None]
    assert not plan.is_complete


def test_what_the_captured_tree_still_has_is_brought(repository: Repository, tree: Path) -> None:
    before = contents(repository)
    damage_chunk(repository, b"folder/03")
    repaired(repository, [Tree(tree)])
    assert problems(repository) == []
    assert contents(repository) == before


def test_a_file_that_is_another_by_now_brings_nothing(repository: Repository, tree: Path) -> None:
    damage_chunk(repository, b"folder/03")
    (tree / "folder/03").write_bytes(b"x" * 3000)
    assert [loss.files for loss in planned(repository, [Tree(tree)]).losses] == [(b"folder/03",)]


def test_a_pack_that_a_node_reads_stays(repository: Repository) -> None:
    pack = damage_chunk(repository, b"folder/03")
    with repository.alone():
        report = repair(planned(repository), repository, {pack.stem}, Silence())
    assert report.put_off == (pack.stem,)
    assert pack.exists()


def test_killed_at_every_step_it_loses_nothing_more_and_the_next_repair_ends_it(
    repository: Repository, tmp_path: Path, tree: Path
) -> None:
    damage_chunk(repository, b"folder/03")
    _flip_footer(pack_with(repository, b""))
    for step in itertools.count():
        copy = Repository.open(shutil.copytree(repository.path, tmp_path / str(step)))
        ended = run_killed(lambda copy=copy: repaired(copy), step)  # type: ignore[misc]
        assert [loss.files for loss in planned(copy).losses] == [(b"folder/03",)]
        repaired(copy)
        assert len(problems(copy)) == 1
        assert len(list((copy.path / "damaged").iterdir())) == 2
        store_tree(copy, tree)
        prune_now(copy)
        assert problems(copy) == []
        if ended:
            break
    assert step > 15
