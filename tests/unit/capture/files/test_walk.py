"""The walk meets every name once, in the order of entries, however the tree is and changes."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from haoscar_pxe.capture.files.walk import OPEN_FOLDERS_MAX, Losses, Visit, walk
from haoscar_pxe.capture.scope.scope import Scope, Treatment
from haoscar_pxe.command import run
from haoscar_pxe.image.entry import sort_key
from tests.unit.capture.recording import opened


def visits(root: Path, scope: Scope | None = None, losses: Losses | None = None) -> list[Visit]:
    with opened(root) as fd:
        return list(walk(fd, scope or Scope(), losses or Losses()))


def paths(root: Path, scope: Scope | None = None) -> list[bytes]:
    return [visit.path for visit in visits(root, scope)]


def make_deep(root: Path, names: list[bytes], last: bytes = b"end") -> None:
    """A chain of folders with a file at its end; the path may be longer than PATH_MAX."""
    fd = os.open(root, os.O_RDONLY)
    for name in names:
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open(last, os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)


@pytest.fixture
def deep_root(tmp_path: Path) -> Iterator[Path]:
    """A folder for trees so deep that pytest's own way of removing them would not come back."""
    root = tmp_path / "deep"
    root.mkdir()
    yield root
    run(["rm", "-rf", str(root)])


def test_names_come_in_the_order_of_entries(tmp_path: Path) -> None:
    for name in (b"a", b"b"):
        (tmp_path / os.fsdecode(name)).mkdir()
    for name in (b"a/x", b"a-b", b"a.b", b"b/\xff\n", b"b/\x01", b"B"):
        (tmp_path / os.fsdecode(name)).touch()
    found = paths(tmp_path)
    assert found[0] == b""
    assert found == sorted(found, key=sort_key)
    assert len(found) == 9


def test_symbolic_link_to_a_folder_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").touch()
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "up").symlink_to("..")
    assert paths(tmp_path) == [b"", b"folder", b"folder/file", b"link", b"up"]


def test_path_longer_than_path_max_is_walked(tmp_path: Path) -> None:
    make_deep(tmp_path, [b"n" * 200] * 40)
    found = paths(tmp_path)
    assert len(found[-1]) > 8000
    assert found[-1].endswith(b"/end")


def test_thousand_folders_deep_with_few_descriptors(deep_root: Path) -> None:
    make_deep(deep_root, [b"d"] * 1000)
    (deep_root / "d/e").touch()
    (deep_root / "e").touch()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + OPEN_FOLDERS_MAX + 8, hard))
    try:
        found = paths(deep_root)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found[-2:] == [b"d/e", b"e"]
    assert len(found) == 1004


def test_no_descriptor_stays_open_after_a_walk_or_a_broken_off_one(tmp_path: Path) -> None:
    make_deep(tmp_path, [b"d"] * 100)
    before = len(os.listdir("/proc/self/fd"))
    paths(tmp_path)
    with opened(tmp_path) as fd:
        for visit in walk(fd, Scope(), Losses()):
            if visit.path.count(b"/") == 70:
                break
    assert len(os.listdir("/proc/self/fd")) == before


def following(root: Path, losses: Losses) -> Iterator[Visit]:
    with opened(root) as fd:
        yield from walk(fd, Scope(), losses)


def test_names_that_vanish_before_their_visit_are_recorded(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).touch()
    losses = Losses()
    steps = following(tmp_path, losses)
    assert [next(steps).path, next(steps).path] == [b"", b"a"]
    (tmp_path / "b").unlink()
    assert [visit.path for visit in steps] == [b"c"]
    assert losses.vanished == [b"b"]


def test_folder_that_vanishes_before_it_is_entered_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").touch()
    losses = Losses()
    steps = following(tmp_path, losses)
    assert [next(steps).path, next(steps).path] == [b"", b"a"]
    (tmp_path / "a").rmdir()
    assert [visit.path for visit in steps] == [b"b"]
    assert losses.vanished == [b"a"]


def test_folder_that_becomes_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "z").mkdir()
    (tmp_path / "z/secret").touch()
    losses = Losses()
    steps = following(tmp_path, losses)
    assert [next(steps).path, next(steps).path] == [b"", b"a"]
    (tmp_path / "a").rmdir()
    (tmp_path / "a").symlink_to("z")
    assert [visit.path for visit in steps] == [b"z", b"z/secret"]
    assert losses.vanished == [b"a"]


def test_whole_tree_removed_under_the_walk_ends_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    make_deep(root, [b"d"] * 100)
    losses = Losses()
    steps = following(root, losses)
    for _ in range(80):
        last = next(steps)
    assert last.path.count(b"/") == 78
    shutil.rmtree(root)
    assert list(steps) == []
    assert losses.vanished


def test_folder_moved_away_while_the_walk_is_deep_in_it_loses_nothing_else(
    tmp_path: Path,
) -> None:
    """Its ".." leads elsewhere then; the parent is found again by its path."""
    root = tmp_path / "root"
    root.mkdir()
    make_deep(root, [b"d"] * 100)
    (root / "d/later").touch()
    (root / "z").touch()
    losses = Losses()
    steps = following(root, losses)
    while next(steps).path.count(b"/") < 90:
        pass
    (root / "d/d").rename(tmp_path / "elsewhere")
    rest = [visit.path for visit in steps]
    assert rest[-2:] == [b"d/later", b"z"]
    assert not losses.unreadable


def test_folder_that_is_nowhere_any_more_names_what_it_still_held(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    make_deep(root, [b"d"] * 100)
    (root / "d/later").touch()
    (root / "z").touch()
    losses = Losses()
    steps = following(root, losses)
    while next(steps).path.count(b"/") < 90:
        pass
    (root / "d").rename(tmp_path / "gone")
    (tmp_path / "gone/d").rename(tmp_path / "elsewhere")
    assert [visit.path for visit in steps][-1] == b"z"
    assert b"d/later" in losses.vanished


def test_mount_points_left_out_are_empty_folders_and_the_silent_ones_are_not_asked(
    tmp_path: Path,
) -> None:
    for name in ("proc", "net"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "inside").touch()
    scope = Scope(empty={b"proc": "kernel"}, untouched={b"net": "network"})
    net, proc = visits(tmp_path, scope)[1:]
    assert (net.path, net.status, net.treatment) == (b"net", None, Treatment.UNTOUCHED)
    assert proc.treatment is Treatment.EMPTY
    assert proc.status is not None


def test_excluded_names_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "sub/lost+found").mkdir(parents=True)
    (tmp_path / "swapfile").touch()
    scope = Scope(excluded={b"swapfile": "swap"})
    assert paths(tmp_path, scope) == [b"", b"sub", b"sub/lost+found"]


def test_file_system_mounted_after_the_table_was_read_is_not_entered(tmp_path: Path) -> None:
    """/ with no mount known but its own: /proc lies on another device."""
    losses = Losses()
    with opened(Path("/")) as fd:
        for visit in walk(fd, Scope(excluded=everything_but(b"proc")), losses):
            if visit.path == b"proc":
                assert visit.treatment is Treatment.EMPTY
            assert not visit.path.startswith(b"proc/")
    assert b"proc" in losses.mounted_meanwhile


def everything_but(name: bytes) -> dict[bytes, str]:
    return {one: "not in this test" for one in os.listdir(b"/") if one != name}


def test_folder_that_cannot_be_listed_is_told_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing disk: the only thing here that no real folder can be made to do as root."""
    (tmp_path / "bad").mkdir()
    (tmp_path / "good").touch()
    bad = (tmp_path / "bad").stat().st_ino
    listdir = os.listdir

    def failing(fd: int) -> list[str]:
        if os.fstat(fd).st_ino == bad:
            raise OSError(5, "Input/output error")
        return listdir(fd)

    monkeypatch.setattr(os, "listdir", failing)
    losses = Losses()
    assert [v.path for v in visits(tmp_path, losses=losses)] == [b"", b"bad", b"good"]
    assert [(path, error.strerror) for path, error in losses.unreadable] == [
        (b"bad", "Input/output error")
    ]
