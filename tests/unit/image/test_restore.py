"""Restoring real trees and comparing them, and what restore refuses."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from haoscar_pxe.errors import RestoreError
from haoscar_pxe.image.compare import compare
from haoscar_pxe.image.entry import Directory, Entry, Fifo, File, HardLink, Metadata, Symlink
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.read_ahead import BATCH_ITEMS
from haoscar_pxe.image.reader import ChunkReader, entries
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.restore import restore
from haoscar_pxe.image.signing import TrustedKeys
from tests.unit.image.awkward import as_nobody, build, needs_root
from tests.unit.image.tree_reading import KEY, store_tree

META = Metadata(0o755, os.geteuid(), os.getegid(), 5)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "repository")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


def chunks_of(repository: Repository) -> ChunkReader:
    return ChunkReader(repository.store)


def round_trip(repository: Repository, source: Path, target: Path, makers: int = 0) -> None:
    """Store source, restore it to target, and let nothing be different."""
    stored = store_tree(repository, source)
    manifest = repository.manifest("primary", None, TrustedKeys.of(KEY.public))
    assert manifest == stored
    chunks = chunks_of(repository)
    restore(entries(manifest, chunks), chunks, target, Silence(), makers=makers)
    found = compare(entries(manifest, chunks_of(repository)), target, Silence())
    assert [str(each) for each in found] == []


class Counting:
    """A Progress that adds up."""

    def __init__(self) -> None:
        self.size_bytes = self.entries = 0

    def expect(self, total_bytes: int) -> None:
        raise AssertionError("restore does not know the total")

    def advance(self, size_bytes: int, entries: int = 1) -> None:
        self.size_bytes += size_bytes
        self.entries += entries


@pytest.mark.parametrize("makers", [0, 3])
def test_an_awkward_tree_comes_back_without_any_difference(
    repository: Repository, source: Path, tmp_path: Path, makers: int
) -> None:
    build(source)
    round_trip(repository, source, tmp_path / "target", makers)


@needs_root
def test_an_ordinary_user_can_restore_what_is_his(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    own = tmp_path / "own"
    own.mkdir()
    os.chown(own, 65534, 65534)

    def act() -> None:
        (own / "source").mkdir()
        (own / "source/file").write_bytes(b"mine")
        (own / "source/closed").mkdir()
        (own / "source/closed/inside").write_bytes(b"inside")
        os.symlink("file", own / "source/link")
        os.mkfifo(own / "source/fifo")
        (own / "source/closed").chmod(0o500)
        round_trip(Repository.create(own / "repository"), own / "source", own / "target")

    as_nobody(act)


@needs_root
def test_diff_and_stat_see_no_difference_either(
    repository: Repository, source: Path, tmp_path: Path
) -> None:
    """Other people's tools as second witnesses, where they can see the whole tree."""
    build(source)
    round_trip(repository, source, tmp_path / "target")
    command = "find . -not -path '*nnnnnnn*' -printf '%p %y %m %U %G %T@ %s %n %l\\0' | sort -z"
    listings = [
        subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, check=True).stdout
        for folder in (source, tmp_path / "target")
    ]
    assert [line for line in listings[0].split(b"\0") if b" d " not in line] == [
        line for line in listings[1].split(b"\0") if b" d " not in line
    ]
    assert len(listings[0]) > 1000


def test_holes_stay_holes(repository: Repository, source: Path, tmp_path: Path) -> None:
    with (source / "sparse").open("wb") as file:
        file.truncate(1 << 30)
        file.seek(512 << 20)
        file.write(b"x" * (1 << 20))
    round_trip(repository, source, tmp_path / "target")
    status = (tmp_path / "target/sparse").stat()
    assert status.st_size == 1 << 30
    assert status.st_blocks * 512 < 2 << 20


def test_progress_counts_every_entry_and_byte_once(
    repository: Repository, source: Path, tmp_path: Path
) -> None:
    build(source)
    manifest = store_tree(repository, source)
    progress = Counting()
    chunks = chunks_of(repository)
    restore(entries(manifest, chunks), chunks, tmp_path / "target", progress)
    assert (progress.entries, progress.size_bytes) == (manifest.entry_count, manifest.stored_bytes)


def test_a_folder_that_holds_something_is_refused_and_left_alone(
    repository: Repository, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target/precious").write_bytes(b"do not touch")
    with pytest.raises(RestoreError, match="not empty: it holds 'precious'"):
        restore(iter(()), chunks_of(repository), tmp_path / "target", Silence())
    assert (tmp_path / "target/precious").read_bytes() == b"do not touch"


def test_mount_points_and_lost_and_found_may_be_there(
    repository: Repository, source: Path, tmp_path: Path
) -> None:
    (source / "boot/efi").mkdir(parents=True)
    (source / "boot/efi/file").write_bytes(b"loader")
    (source / "boot/efi").chmod(0o711)
    (tmp_path / "target/boot/efi").mkdir(parents=True)
    (tmp_path / "target/boot/lost+found").mkdir()
    (tmp_path / "target/lost+found").mkdir()
    manifest = store_tree(repository, source)
    chunks = chunks_of(repository)
    target = tmp_path / "target"
    allowed = frozenset({b"boot/efi"})
    restore(entries(manifest, chunks), chunks, target, Silence(), allow_existing=allowed)
    assert compare(entries(manifest, chunks), target, Silence()) == []


def test_content_in_a_mount_point_is_refused(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "target/boot").mkdir(parents=True)
    (tmp_path / "target/boot/old").write_bytes(b"")
    with pytest.raises(RestoreError, match="holds 'boot/old'"):
        restore(
            iter(()),
            chunks_of(repository),
            tmp_path / "target",
            Silence(),
            allow_existing=frozenset({b"boot"}),
        )


def test_a_target_that_hands_down_acls_and_groups_does_not_change_the_result(
    repository: Repository, source: Path, tmp_path: Path
) -> None:
    build(source)
    target = tmp_path / "target"
    target.mkdir()
    os.setxattr(
        target,
        "system.posix_acl_default",
        os.getxattr(source / "inheriting", "system.posix_acl_default"),
    )
    os.setxattr(target, "user.leftover", b"of another life")
    target.chmod(0o2777)
    round_trip(repository, source, target)


def test_a_symlink_planted_in_the_target_is_never_walked_through(
    repository: Repository, tmp_path: Path
) -> None:
    """Somebody swaps a folder for a symlink while the restore goes on."""
    target, outside = tmp_path / "target", tmp_path / "outside"
    outside.mkdir()

    def hostile() -> Iterator[Entry]:
        yield Directory(b"", META)
        (target / "etc").symlink_to(outside)
        yield Directory(b"etc", META)
        yield Fifo(b"etc/planted", META)

    with pytest.raises(RestoreError, match="etc"):
        restore(hostile(), chunks_of(repository), target, Silence())
    assert list(outside.iterdir()) == []


def test_a_hard_link_is_not_made_through_a_symlink(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_bytes(b"")
    hostile: list[Entry] = [
        Directory(b"", META),
        Symlink(b"a", META, os.fsencode(tmp_path / "outside")),
        HardLink(b"b", b"a/secret"),
    ]
    with pytest.raises(RestoreError, match=os.strerror(errno.ENOTDIR)):
        restore(hostile, chunks_of(repository), tmp_path / "target", Silence())
    assert (tmp_path / "outside/secret").stat().st_nlink == 1


def test_nothing_that_exists_is_replaced(repository: Repository, tmp_path: Path) -> None:
    twice: list[Entry] = [Directory(b"", META), File(b"a", META, 0), File(b"a", META, 0)]
    with pytest.raises(RestoreError, match=os.strerror(errno.EEXIST)):
        restore(twice, chunks_of(repository), tmp_path / "target", Silence())


@needs_root
def test_a_user_who_may_not_is_told_to_be_root(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "repository")
    chunks = chunks_of(repository)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    own = tmp_path / "own"
    own.mkdir()
    os.chown(own, 65534, 65534)
    foreign: list[Entry] = [
        Directory(b"", Metadata(0o755, 65534, 65534, 0)),
        Fifo(b"f", Metadata(0o600, 0, 0, 0)),
    ]

    def act() -> None:
        with pytest.raises(RestoreError) as caught:
            restore(foreign, chunks, own, Silence())
        assert "root" in caught.value.hint

    as_nobody(act)


def test_deep_chains_need_few_descriptors(
    repository: Repository, source: Path, tmp_path: Path
) -> None:
    """500 folders deep, with something after the way back up at every level."""
    fd = os.open(source, os.O_RDONLY)
    for _ in range(500):
        os.mkfifo("z-after", dir_fd=fd)
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    round_trip(repository, source, tmp_path / "target")


@needs_root
def test_devices_come_back_as_devices(repository: Repository, source: Path, tmp_path: Path) -> None:
    build(source)
    round_trip(repository, source, tmp_path / "target")
    status = (tmp_path / "target/disk").stat()
    assert stat.S_ISBLK(status.st_mode)
    assert (os.major(status.st_rdev), os.minor(status.st_rdev)) == (259, 1_048_575)


def test_a_folder_that_is_moved_away_meanwhile_ends_the_restore(
    repository: Repository, tmp_path: Path
) -> None:
    """The way back up is by "..", which must not lead to somebody else's folder."""
    target = tmp_path / "target"
    target.mkdir()

    def hostile() -> Iterator[Entry]:
        yield Directory(b"", META)
        for depth in range(1, 80):
            yield Directory(b"/".join([b"d"] * depth), META)
        deepest = b"/".join([b"d"] * 79)
        for number in range(2 * BATCH_ITEMS):
            yield Fifo(deepest + b"/%d" % number, META)
        while not (target / os.fsdecode(deepest) / "0").exists():
            time.sleep(0.01)  # entries are read ahead of what is laid down
        (target / "d/d/d").rename(tmp_path / "moved")
        yield Fifo(b"z", META)

    with pytest.raises(RestoreError, match="moved meanwhile"):
        restore(hostile(), chunks_of(repository), target, Silence())


def test_an_xattr_that_the_file_system_cannot_hold_is_an_error_with_a_hint(
    repository: Repository, tmp_path: Path
) -> None:
    odd = Metadata(0o600, os.geteuid(), os.getegid(), 0, ((b"nosuchspace.name", b"1"),))
    with pytest.raises(RestoreError, match="'odd'") as caught:
        restore(
            [Directory(b"", META), Fifo(b"odd", odd)],
            chunks_of(repository),
            tmp_path / "target",
            Silence(),
        )
    assert "xattrs" in caught.value.hint


def test_a_target_that_cannot_be_made_is_named(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(RestoreError, match=r"cannot restore into .*nowhere"):
        restore([], chunks_of(repository), tmp_path / "nowhere/target", Silence())
