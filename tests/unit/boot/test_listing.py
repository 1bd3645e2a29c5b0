"""What a request is told of the repository is what is in it now, and is not listed each time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from haoscar_pxe.boot.listing import SETTLED_NS, Listing
from haoscar_pxe.errors import RepositoryError
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import SigningKey
from tests.unit.boot import small_image


class Counted:
    """A repository that counts how often its folders are listed."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self.path = repository.path
        self.listed = 0

    def generations(self, image: str) -> list[int]:
        self.listed += 1
        return self._repository.generations(image)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    small_image.make(tmp_path / "images", SigningKey.generate())
    return tmp_path / "images"


def counted(folder: Path, after_ns: int) -> tuple[Listing, Counted]:
    """A listing, asked so long after the image's folder changed."""
    changed_ns = (folder / "images" / "primary").stat().st_mtime_ns
    repository = Counted(Repository.open(folder))
    listing = Listing(repository, lambda: changed_ns + after_ns)  # type: ignore[arg-type]
    return listing, repository


def test_a_folder_that_did_not_change_is_listed_once(folder: Path) -> None:
    listing, repository = counted(folder, SETTLED_NS + 1)
    for _ in range(10):
        assert listing.images() == {"primary"}
        assert listing.generations("primary") == (1,)
    assert repository.listed == 1


def test_a_folder_that_changed_just_now_is_listed_again(folder: Path) -> None:
    listing, repository = counted(folder, SETTLED_NS)
    for _ in range(3):
        assert listing.generations("primary") == (1,)
    assert repository.listed == 3


def test_a_new_generation_and_a_removed_one_are_seen_at_once(folder: Path) -> None:
    listing, _ = counted(folder, SETTLED_NS + 1)
    assert listing.generations("primary") == (1,)
    small_image.make(folder, SigningKey.generate())
    assert listing.generations("primary") == (1, 2)
    os.remove(folder / "images" / "primary" / "1.manifest")
    assert listing.generations("primary") == (2,)


@pytest.mark.parametrize("name", ["other", "../images/primary", "", "a/b", "x" * 300])
def test_a_name_that_is_no_image_is_refused_and_not_kept(folder: Path, name: str) -> None:
    listing, repository = counted(folder, SETTLED_NS + 1)
    for _ in range(2):
        with pytest.raises(RepositoryError):
            listing.generations(name)
    assert repository.listed == 4
