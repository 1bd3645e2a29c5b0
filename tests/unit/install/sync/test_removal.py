from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from haoscar_pxe.command import run
from haoscar_pxe.install.sync.removal import remove
from tests.unit.image.awkward import needs_root
from tests.unit.install.sync.standbys import Site

DEPTH = 1500
"""Deeper than Python recurses, and a path longer than PATH_MAX."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def test_a_tree_deeper_than_any_path_is_removed(folder: int, tmp_path: Path) -> None:
    os.mkdir("top", dir_fd=folder)
    at = os.open("top", os.O_RDONLY, dir_fd=folder)
    for _ in range(DEPTH):
        os.close(os.open("file", os.O_CREAT, dir_fd=at))
        os.mkdir("below", dir_fd=at)
        deeper = os.open("below", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = deeper
    os.close(at)
    remove(folder, b"top")
    assert list(tmp_path.iterdir()) == []


def test_a_symlink_is_removed_and_not_followed(folder: int, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").touch()
    (tmp_path / "top").mkdir()
    (tmp_path / "top/link").symlink_to(tmp_path / "elsewhere")
    remove(folder, b"top")
    assert (tmp_path / "elsewhere/file").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]


@pytest.fixture
def immutable(tmp_path: Path) -> Iterator[Site]:
    """A standby on which somebody forbade changes with chattr."""
    site = Site(tmp_path)
    for name in (
        "etc/hostname",
        "replaced",
        "gone/inside/file",
        "gone/other",
        "mode",
        "folder/new-here",
    ):
        (site.head / name).parent.mkdir(parents=True, exist_ok=True)
        (site.head / name).write_text("one")
    site.install(site.capture())
    paths = ("replaced", "gone/inside/file", "gone/inside", "gone", "mode", "folder", "etc")
    run(["chattr", "+i", *(str(site.tree / name) for name in paths)])
    yield site
    run(["chattr", "-R", "-f", "-i", str(site.tree)])


@needs_root
def test_what_was_made_immutable_is_changed_all_the_same(immutable: Site) -> None:
    site = immutable
    first = site.repository.manifest("primary", 1, site.trusted)
    (site.head / "replaced").write_text("two")
    (site.head / "mode").chmod(0o600)
    (site.head / "folder/another").write_text("two")
    (site.head / "gone/other").unlink()
    (site.head / "gone/inside/file").unlink()
    (site.head / "gone/inside").rmdir()
    (site.head / "gone").rmdir()
    second = site.capture()
    site.sync(first, second)
    assert site.differences(second) == []
