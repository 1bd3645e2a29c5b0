from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from haoscar_pxe.image.entry import Directory
from tests.unit.image import awkward
from tests.unit.image.awkward import needs_root
from tests.unit.install.sync.standbys import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    head = made.head
    (head / "etc").mkdir(parents=True)
    (head / "etc/hostname").write_text("primary\n")
    (head / "etc/machine-id").write_text("0" * 32)
    (head / "var/lib/db").mkdir(parents=True)
    (head / "var/lib/db/table").write_bytes(os.urandom(3 << 20))
    (head / "usr").mkdir()
    for number in range(40):
        (head / f"usr/file-{number}").write_bytes(os.urandom(2000))
    (head / "odd").mkdir()
    awkward.build(head / "odd", deep=False)
    return made


def change(head: Path) -> None:
    """A bit of everything that can happen to a tree."""
    (head / "usr/file-1").write_bytes(b"new content")
    (head / "usr/file-2").unlink()
    (head / "usr/file-3").chmod(0o600)
    os.utime(head / "usr/file-4", ns=(5, 5))
    os.rename(head / "usr/file-5", head / "usr/renamed")
    os.link(head / "usr/file-6", head / "usr/second-name")
    (head / "usr/file-7").unlink()
    (head / "usr/file-7").mkdir()
    (head / "usr/file-7/inside").write_text("a folder where a file was")
    (head / "usr/file-8").unlink()
    (head / "usr/file-8").symlink_to("file-9")
    shutil.copytree(head / "usr/file-7", head / "new/deep/folder")
    with (head / "var/lib/db/table").open("r+b") as table:
        table.seek(1 << 20)
        table.write(b"some rows")
    shutil.rmtree(head / "odd/folder", ignore_errors=True)
    os.setxattr(head / "usr/file-10", "user.note", b"added")
    os.removexattr(head / "odd/small", "user.origin")
    (head / "odd/link-b").unlink()
    (head / "odd/link-b").write_text("a file of its own now")
    (head / "etc/hostname").write_text("primary of another name\n")


@needs_root
def test_a_standby_becomes_the_new_generation_and_keeps_its_identity(site: Site) -> None:
    first = site.capture()
    site.install(first)
    change(site.head)
    second = site.capture()
    assert site.differences(second)
    site.sync(first, second)
    assert site.differences(second) == []
    assert (site.tree / "etc/hostname").read_text() == "standby\n"
    assert sorted(os.listdir(site.standby.boot_folder)) == []


@needs_root
def test_the_way_back_is_the_same(site: Site) -> None:
    first = site.capture()
    change(site.head)
    second = site.capture()
    site.install(second)
    site.sync(second, first)
    assert site.differences(first) == []


@needs_root
def test_nothing_is_to_be_done_to_a_standby_that_is_its_generation(site: Site) -> None:
    first = site.capture()
    site.install(first)
    assert site.plan(first, first).is_nothing
    assert site.plan(first, first, since_ns=-1).is_nothing


@needs_root
def test_what_was_changed_on_the_standby_is_set_right_and_named(site: Site) -> None:
    first = site.capture()
    site.install(first)
    (site.tree / "usr/file-1").write_text("edited here")
    (site.tree / "usr/file-2").unlink()
    (site.tree / "var/own").write_text("made here")
    (site.tree / "usr/file-3").chmod(0o777)
    made = site.sync(first, first, since_ns=0)
    files = [each for each in made.changes if not isinstance(each.wanted, Directory)]
    local = {each.path: each.change for each in files if each.is_local}
    assert local == {
        b"usr/file-1": "replace",
        b"usr/file-2": "add",
        b"usr/file-3": "attributes",
        b"var/own": "remove",
    }
    assert site.differences(first) == []


@needs_root
def test_a_change_that_hides_behind_the_old_size_and_mtime_is_found(site: Site) -> None:
    first = site.capture()
    site.install(first)
    since_ns = max(p.lstat().st_ctime_ns for p in site.tree.rglob("*"))
    path = site.tree / "usr/file-1"
    before = path.stat()
    path.write_bytes(b"x" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_ctime_ns > since_ns
    made = site.sync(first, first, since_ns)
    assert [each.path for each in made.changes] == [b"usr/file-1"]
    assert site.differences(first) == []


@needs_root
def test_same_size_and_mtime_on_the_primary_is_no_proof_that_nothing_changed(site: Site) -> None:
    first = site.capture()
    site.install(first)
    path = site.head / "usr/file-1"
    before = path.stat()
    path.write_bytes(b"x" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = site.capture()
    assert [each.path for each in site.sync(first, second).changes] == [b"usr/file-1"]
    assert site.differences(second) == []


@needs_root
def test_only_content_that_the_standby_lacks_is_fetched(site: Site) -> None:
    first = site.capture()
    site.install(first)
    with (site.head / "var/lib/db/table").open("r+b") as table:
        table.seek(1 << 20)
        table.write(b"some rows")
    os.rename(site.head / "usr/file-1", site.head / "usr/renamed")
    second = site.capture()
    made = site.plan(first, second)
    committed = site.carry_out(first, made)
    assert made.new_bytes > 3 << 20
    assert committed.fetched_bytes <= 256 << 10
    assert committed.own_bytes + committed.fetched_bytes == made.new_bytes


@needs_root
def test_kept_paths_are_neither_changed_nor_removed_nor_added(site: Site) -> None:
    (site.head / "var/log").mkdir()
    (site.head / "var/log/of-the-primary").write_text("its log")
    first = site.capture()
    site.install(first)
    (site.tree / "var/log/of-the-primary").unlink()
    (site.tree / "var/log/own").write_text("the standby's")
    (site.tree / "srv/own").mkdir(parents=True)
    (site.tree / "srv/own/data").write_text("kept in a folder that the image lacks")
    (site.tree / "srv/other").write_text("not kept")
    site.kept = frozenset({b"var/log", b"srv/own"})
    change(site.head)
    second = site.capture()
    site.sync(first, second)
    assert (site.tree / "var/log/own").exists()
    assert not (site.tree / "var/log/of-the-primary").exists()
    assert [path.name for path in (site.tree / "srv").iterdir()] == ["own"]


@needs_root
def test_names_of_one_file_that_became_two_are_parted(site: Site) -> None:
    first = site.capture()
    site.install(first)
    (site.tree / "usr/file-2").unlink()
    os.link(site.tree / "usr/file-1", site.tree / "usr/file-2")
    site.sync(first, first, since_ns=0)
    assert site.differences(first) == []
    assert (site.tree / "usr/file-1").stat().st_nlink == 1
