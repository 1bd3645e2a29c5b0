"""Every way in which a tree can differ is named, and nothing else is."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from haoscar_pxe.errors import ComparisonError
from haoscar_pxe.image.compare import Difference, compare
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader, entries
from haoscar_pxe.image.repository import Repository
from tests.unit.image.awkward import needs_root
from tests.unit.image.tree_reading import store_tree

MIB = 1 << 20
WHEN_NS = 1_000_000_000


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree; its files keep their mtime when a test writes into them."""
    root = tmp_path / "tree"
    (root / "etc/deep/er").mkdir(parents=True)
    (root / "etc/hosts").write_bytes(b"127.0.0.1 localhost\n")
    (root / "etc/deep/er/file").write_bytes(b"deep")
    (root / "link").symlink_to("etc/hosts")
    os.mkfifo(root / "pipe")
    (root / "one").write_bytes(b"one")
    os.link(root / "one", root / "two")
    (root / "three").write_bytes(b"one")
    with (root / "sparse").open("wb") as file:
        file.truncate(MIB)
        file.seek(MIB)
        file.write(b"end")
    return root


@pytest.fixture
def stored(tree: Path, tmp_path: Path) -> tuple[Manifest, ChunkReader]:
    repository = Repository.create(tmp_path / "repository")
    return store_tree(repository, tree), ChunkReader(repository.store)


def found_in(tree: Path, stored: tuple[Manifest, ChunkReader]) -> list[tuple[bytes, str]]:
    """(path, aspect) of every difference but those in mtime of folders that were changed."""
    differences = compare(entries(*stored), tree, Silence())
    return [(each.path, each.aspect) for each in differences if each.aspect != "mtime"]


def write_keeping_mtime(path: Path, offset: int, data: bytes) -> None:
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def gone(path: Path) -> Path:
    """The path, with nothing there any more."""
    path.unlink()
    return path


CHANGES: list[tuple[Callable[[Path], object], list[tuple[bytes, str]]]] = [
    (lambda t: (t / "etc/hosts").unlink(), [(b"etc/hosts", "missing")]),
    (lambda t: (t / "etc/new").write_bytes(b""), [(b"etc/new", "extra")]),
    (lambda t: (t / "etc/hosts").chmod(0o600), [(b"etc/hosts", "mode")]),
    (lambda t: (t / "etc").chmod(0o700), [(b"etc", "mode")]),
    (lambda t: write_keeping_mtime(t / "etc/hosts", 3, b"."), []),
    (lambda t: write_keeping_mtime(t / "etc/hosts", 3, b"X"), [(b"etc/hosts", "content")]),
    (lambda t: write_keeping_mtime(t / "etc/hosts", 20, b"X"), [(b"etc/hosts", "content")]),
    (lambda t: write_keeping_mtime(t / "sparse", 5, b"X"), [(b"sparse", "content")]),
    (lambda t: write_keeping_mtime(t / "sparse", 0, bytes(MIB)), [(b"sparse", "holes")]),
    (lambda t: gone(t / "link").symlink_to("no"), [(b"link", "target")]),
    (lambda t: gone(t / "pipe").mkdir(), [(b"pipe", "type")]),
    (lambda t: gone(t / "two").write_bytes(b"one"), [(b"two", "links")]),
    (lambda t: gone(t / "three").hardlink_to(t / "one"), [(b"three", "links")]),
    (lambda t: os.setxattr(t / "etc", "user.x", b"1"), [(b"etc", "xattrs")]),
    (
        lambda t: subprocess.run(["rm", "-r", t / "etc/deep"], check=True),
        [(b"etc/deep", "missing")],
    ),
    (lambda t: (t / "etc/lost+found").mkdir(), []),
    (
        lambda t: (t / "lost+found/found").mkdir(parents=True),
        [(b"lost+found", "extra")],
    ),
]


@pytest.mark.parametrize(("change", "expected"), CHANGES)
def test_each_change_is_named_and_nothing_else(
    change: Callable[[Path], object],
    expected: list[tuple[bytes, str]],
    tree: Path,
    stored: tuple[Manifest, ChunkReader],
) -> None:
    assert found_in(tree, stored) == []
    change(tree)
    assert found_in(tree, stored) == expected


def test_an_mtime_off_by_one_nanosecond_is_named(
    tree: Path, stored: tuple[Manifest, ChunkReader]
) -> None:
    before = (tree / "one").stat().st_mtime_ns
    os.utime(tree / "one", ns=(before, before + 1))
    assert compare(entries(*stored), tree, Silence()) == [
        Difference(b"one", "mtime", f"{before} ns", f"{before + 1} ns")
    ]


@needs_root
def test_another_owner_is_named(tree: Path, stored: tuple[Manifest, ChunkReader]) -> None:
    os.chown(tree / "link", 7, 8, follow_symlinks=False)
    found = compare(entries(*stored), tree, Silence())
    assert [(each.path, each.aspect, each.found) for each in found] == [(b"link", "owner", "7:8")]


@needs_root
def test_another_device_number_or_kind_is_named(tree: Path, tmp_path: Path) -> None:
    null = tree / "null"
    os.mknod(null, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    repository = Repository.create(tmp_path / "devices")
    stored = store_tree(repository, tree), ChunkReader(repository.store)
    for kind, number in ((stat.S_IFCHR, 5), (stat.S_IFBLK, 3)):
        gone(null)
        os.mknod(null, 0o600 | kind, os.makedev(1, number))
        assert found_in(tree, stored) == [(b"null", "device")]


def test_what_is_ignored_is_left_out_on_both_sides(
    tree: Path, stored: tuple[Manifest, ChunkReader]
) -> None:
    (tree / "etc/deep/er/file").unlink()
    (tree / "etc/deep/more").write_bytes(b"")
    ignored = frozenset({b"etc/deep"})
    assert compare(entries(*stored), tree, Silence(), ignored=ignored) == []


@needs_root
def test_one_file_system_leaves_mounted_ones_out(
    tree: Path, stored: tuple[Manifest, ChunkReader]
) -> None:
    deep = tree / "etc/deep"
    subprocess.run(["mount", "-t", "tmpfs", "none", deep], check=True)
    try:
        (deep / "mounted").write_bytes(b"")
        assert found_in(tree, stored) != []
        assert compare(entries(*stored), tree, Silence(), one_file_system=True) == []
    finally:
        subprocess.run(["umount", deep], check=True)


def test_a_tree_that_is_not_there_is_a_comparison_error(
    tmp_path: Path, stored: tuple[Manifest, ChunkReader]
) -> None:
    with pytest.raises(ComparisonError, match="cannot read"):
        compare(entries(*stored), tmp_path / "nowhere", Silence())
