"""What a sync fetches: with kept pages and a delta it opens no pack at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from haoscar_pxe.errors import StorageError
from haoscar_pxe.image.delta_making import make_delta
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.progress import unwatched
from haoscar_pxe.image.source import Blob, FolderSource
from haoscar_pxe.image.store import PackStore, StoreUnreachableError
from haoscar_pxe.install.sync.fetching import Fetching
from haoscar_pxe.install.sync.kept_pages import keep, read_kept
from haoscar_pxe.install.sync.plan import Had
from haoscar_pxe.install.sync.planning import Before, commit, make_plan
from haoscar_pxe.install.sync.wanted import Declared, Goal
from tests.unit.image.awkward import needs_root
from tests.unit.image.deltas import FileBlob
from tests.unit.install.sync.standbys import IDENTITY, NOW_NS, Site


class DeltaSource(FolderSource):
    """A repository that gives a delta, and no packs when it is told to."""

    def __init__(self, path: Path, delta: Path) -> None:
        super().__init__(path)
        self._delta = delta
        self.gives_packs = True

    def delta(self, image: str, older: int, newer: int) -> Blob | None:
        return FileBlob(self._delta)

    def packs(self, image: str, generation: int) -> PackStore:
        if not self.gives_packs:
            raise StorageError("no packs today")
        return super().packs(image, generation)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    (made.head / "etc").mkdir(parents=True)
    (made.head / "etc/hostname").write_text("primary\n")
    (made.head / "etc/machine-id").write_text("0" * 32)
    (made.head / "data").mkdir()
    for number in range(50):
        (made.head / f"data/{number}").write_bytes(os.urandom(20_000))
    return made


def changed(site: Site) -> tuple[Manifest, Manifest, DeltaSource]:
    """A standby of generation 1, and generation 2 with its delta."""
    first = site.capture()
    site.install(first)
    for number in range(10):
        path = site.head / f"data/{number}"
        path.write_bytes(path.read_bytes() + b"a few bytes more")
    second = site.capture()
    delta = site.folder / "1-2.delta"
    make_delta(first, second, site.reader(), delta)
    return first, second, DeltaSource(site.folder / "repository", delta)


def sync(site: Site, first: Manifest, second: Manifest, fetching: Fetching) -> int:
    """Bring the standby to the second generation; bytes of content that were fetched."""
    goal = Goal(second, fetching, Declared.of(IDENTITY))
    had = Goal(first, fetching, Declared.of(IDENTITY))
    facts = Had(first.image, first.generation, first.layout, False)
    before = Before(facts, had, NOW_NS, frozenset())
    made = make_plan(goal, before, site.standby, unwatched)
    committed = commit(made, goal, before, (), site.standby, unwatched)
    site.finish()
    return committed.fetched_bytes


@needs_root
def test_with_kept_pages_and_a_delta_no_pack_is_opened(site: Site) -> None:
    first, second, source = changed(site)
    own = site.folder / "own"
    own.mkdir()
    keep(own, first, site.reader())
    source.gives_packs = False
    sync(site, first, second, Fetching(source, second, first, kept=read_kept(own)))
    assert site.differences(second) == []


@needs_root
def test_without_either_the_packs_give_everything(site: Site) -> None:
    first, second, _ = changed(site)
    source = FolderSource(site.folder / "repository")
    assert sync(site, first, second, Fetching(source, second, first)) >= 10 * 20_000
    assert site.differences(second) == []


@needs_root
def test_a_delta_whose_references_were_changed_here_is_done_without(site: Site) -> None:
    first, second, source = changed(site)
    for number in range(5):
        (site.tree / f"data/{number}").write_bytes(b"changed on the standby")
    sync(site, first, second, Fetching(source, second, first))
    assert site.differences(second) == []


def test_kept_pages_are_those_of_the_last_generation_alone(site: Site) -> None:
    first = site.capture()
    (site.head / "data/0").unlink()
    second = site.capture()
    own = site.folder / "own"
    own.mkdir()
    for manifest in (first, second):
        keep(own, manifest, site.reader())
    kept = read_kept(own)
    assert kept is not None
    assert all(ref.chunk_id in kept for ref in second.pages)
    old = {ref.chunk_id for ref in first.pages} - {ref.chunk_id for ref in second.pages}
    assert old
    assert not any(chunk_id in kept for chunk_id in old)
    assert [path.name for path in own.iterdir()] == ["pages"]


def test_nothing_kept_and_damaged_pages_are_no_error(site: Site) -> None:
    first = site.capture()
    own = site.folder / "own"
    own.mkdir()
    assert read_kept(own) is None
    keep(own, first, site.reader())
    for pack in own.rglob("*.pack"):
        content = bytearray(pack.read_bytes())
        content[100] ^= 1
        pack.chmod(0o600)
        pack.write_bytes(content)
    source = FolderSource(site.folder / "repository")
    fetching = Fetching(source, first, kept=read_kept(own))
    assert [len(fetching.page(ref)) for ref in first.pages] == [
        ref.entry_count for ref in first.pages
    ]


class LeavingServer(Fetching):
    """Goes away after so many chunks of content."""

    left = 3

    def chunk(self, chunk_id: bytes) -> bytes:
        data = super().chunk(chunk_id)
        if len(data) > 20_000:
            self.left -= 1
            if self.left < 0:
                raise StoreUnreachableError("nothing received for 60 s")
        return data


@needs_root
def test_a_server_that_goes_away_leaves_the_old_tree_and_nothing_beside_it(site: Site) -> None:
    first, second, _ = changed(site)
    source = FolderSource(site.folder / "repository")
    with pytest.raises(StoreUnreachableError):
        sync(site, first, second, LeavingServer(source, second, first))
    assert site.differences(first) == []
    assert list(site.standby.boot_folder.iterdir()) == []


@needs_root
def test_a_full_disk_leaves_the_old_tree_and_says_so(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan asked for room before; others may have taken it since."""
    first, second, _ = changed(site)

    def full(fd: int, data: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    source = FolderSource(site.folder / "repository")
    with monkeypatch.context() as disk:
        disk.setattr("haoscar_pxe.image.laying.os.pwrite", full)
        with pytest.raises(StorageError, match=r"No space left on device \(\d") as caught:
            sync(site, first, second, Fetching(source, second, first))
    assert "run the same command again" in caught.value.hint
    assert site.differences(first) == []
