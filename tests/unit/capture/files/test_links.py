"""Names of one file are found, and a reused inode number is no link."""

from __future__ import annotations

import os
from pathlib import Path

from haoscar_pxe.capture.files.links import LinkTable
from tests.unit.capture.recording import opened


def status(path: Path, **changed: int) -> os.stat_result:
    """The path's status, with some of its fields as if they were others."""
    found = path.lstat()
    fields = ("st_mode", "st_ino", "st_dev", "st_nlink", "st_uid", "st_gid", "st_size")
    values = [changed.get(name, getattr(found, name)) for name in fields]
    mtime_ns = changed.get("st_mtime_ns", found.st_mtime_ns)
    return os.stat_result((*values, 0, 0, 0), {"st_mtime_ns": mtime_ns})


def test_second_and_third_name_lead_to_the_first(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    for name in ("b", "c"):
        (tmp_path / name).hardlink_to(tmp_path / "a")
    with opened(tmp_path) as fd:
        table = LinkTable(fd)
        assert table.first_path((tmp_path / "a").lstat()) is None
        table.remember(b"a", (tmp_path / "a").lstat())
        assert table.first_path((tmp_path / "b").lstat()) == b"a"
        assert table.first_path((tmp_path / "c").lstat()) == b"a"
        assert len(table) == 0


def test_file_with_one_name_takes_no_memory(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with opened(tmp_path) as fd:
        table = LinkTable(fd)
        table.remember(b"a", (tmp_path / "a").lstat())
        assert len(table) == 0


def test_linked_file_that_was_written_to_meanwhile_stays_one_file(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    with opened(tmp_path) as fd:
        table = LinkTable(fd)
        table.remember(b"a", (tmp_path / "a").lstat())
        (tmp_path / "a").write_bytes(b"more")
        assert table.first_path((tmp_path / "b").lstat()) == b"a"


def test_inode_number_given_to_another_file_is_no_link(tmp_path: Path) -> None:
    """Removed and made anew between two visits; what looks different is looked up again."""
    (tmp_path / "a").touch()
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    with opened(tmp_path) as fd:
        table = LinkTable(fd)
        table.remember(b"gone", (tmp_path / "a").lstat())
        assert table.first_path(status(tmp_path / "b", st_size=99)) is None


def test_folder_with_many_links_is_no_link(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    with opened(tmp_path) as fd:
        table = LinkTable(fd)
        table.remember(b"", tmp_path.lstat())
        assert table.first_path(tmp_path.lstat()) is None
