"""Which packs belong to a generation and to an image, before and after captures and prunes."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.image.page_packs import PagePacks
from haoscar_pxe.image.reader import ChunkReader, packs_of
from haoscar_pxe.image.repository import Repository
from tests.unit.image.generations import TRUSTED, a_file, store_entries
from tests.unit.image.pruning import prune_now


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "repository")


def capture(repository: Repository, *contents: bytes, image: str = "primary") -> None:
    with repository.writer(image) as writer:
        files = [a_file(writer, b"f%d" % n, data) for n, data in enumerate(contents)]
    store_entries(repository, files, chunks=contents, image=image)


def exact(repository: Repository, generation: int) -> set[str]:
    manifest = repository.manifest("primary", generation, TRUSTED)
    return set(packs_of(manifest, ChunkReader(repository.store)))


def test_the_packs_are_those_that_a_walk_finds_also_after_captures_and_prunes(
    repository: Repository,
) -> None:
    packs = PagePacks(repository, TRUSTED)
    old = [bytes([n]) * 900 for n in range(8)]
    capture(repository, *old)
    capture(repository, *old, b"new")
    for number in (1, 2):
        assert packs.of(repository.manifest("primary", number, TRUSTED)) == exact(
            repository, number
        )
    capture(repository, old[0], b"newer")
    prune_now(repository)
    assert packs.of(repository.manifest("primary", 3, TRUSTED)) == exact(repository, 3)
    assert all(packs.has_image("primary", pack_id) for pack_id in exact(repository, 3))


def test_a_shared_pack_is_of_both_images_and_another_of_one(repository: Repository) -> None:
    packs = PagePacks(repository, TRUSTED)
    capture(repository, b"shared")
    shared = exact(repository, 1)
    capture(repository, b"shared", b"of the other alone", image="other")
    apart = set(repository.store.pack_ids()) - shared
    assert all(packs.has_image("primary", pack_id) for pack_id in shared)
    assert any(packs.has_image("other", pack_id) for pack_id in shared)
    assert all(packs.has_image("other", pack_id) for pack_id in apart)
    assert not any(packs.has_image("primary", pack_id) for pack_id in apart)
    assert not packs.has_image("unknown", next(iter(apart)))


def test_a_generation_that_cannot_be_read_takes_no_other_with_it(repository: Repository) -> None:
    capture(repository, b"one")
    capture(repository, b"two")
    repository.manifest_path("primary", 1).write_bytes(b"spoilt")
    packs = PagePacks(repository, TRUSTED)
    assert all(packs.has_image("primary", pack_id) for pack_id in exact(repository, 2))
