"""The identity, applied to real folders: what it changes, and that it changes nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from haoscar_pxe.install.identity import IdentityError, apply
from haoscar_pxe.nodes.order import IdentityChange

LONG_AGO_NS = 1_000_000_000_123_456_789


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A tree with /etc, whose folders all are from long ago."""
    root = tmp_path / "target"
    (root / "etc").mkdir(parents=True)
    (root / "etc/hostname").write_text("primary\n")
    for folder in (root / "etc", root):
        os.utime(folder, ns=(LONG_AGO_NS, LONG_AGO_NS))
    return root


def change(path: bytes, content: bytes | None = b"standby1\n", mode: int = 0o644) -> IdentityChange:
    return IdentityChange(path=path, content=content, mode=mode, reason="a test")


def test_a_file_is_replaced_and_keeps_mode_owner_and_xattrs(target: Path) -> None:
    file = target / "etc/hostname"
    file.chmod(0o640)
    os.setxattr(file, "user.note", b"kept")
    before = file.stat()
    (line,) = apply(target, [change(b"etc/hostname", mode=0o777)])
    after = file.stat()
    assert file.read_text() == "standby1\n"
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )
    assert os.getxattr(file, "user.note") == b"kept"
    assert line == "/etc/hostname: replaced (a test)"


def test_folders_keep_their_times(target: Path) -> None:
    apply(target, [change(b"etc/hostname"), change(b"etc/new/deep/file"), change(b"top")])
    assert (target / "etc").stat().st_mtime_ns == LONG_AGO_NS
    assert target.stat().st_mtime_ns == LONG_AGO_NS


def test_nothing_but_the_declared_files_is_there_afterwards(target: Path) -> None:
    apply(target, [change(b"etc/hostname"), change(b"etc/added")])
    assert sorted(os.listdir(target / "etc")) == ["added", "hostname"]


def test_a_new_file_gets_the_declared_mode_and_its_folders_are_made(target: Path) -> None:
    apply(target, [change(b"boot/grub/grub.cfg", mode=0o600)])
    assert (target / "boot/grub/grub.cfg").stat().st_mode & 0o7777 == 0o600
    assert (target / "boot/grub").stat().st_mode & 0o7777 == 0o755


def test_a_removed_file_is_gone_and_its_folder_keeps_its_time(target: Path) -> None:
    (line,) = apply(target, [change(b"etc/hostname", None)])
    assert not (target / "etc/hostname").exists()
    assert (target / "etc").stat().st_mtime_ns == LONG_AGO_NS
    assert "removed" in line


@pytest.mark.parametrize("path", [b"etc/nothing", b"no/such/folder"])
def test_removing_what_is_not_there_is_done_already(target: Path, path: bytes) -> None:
    assert "was not there" in apply(target, [change(path, None)])[0]


def test_another_name_of_a_replaced_file_keeps_its_content(target: Path) -> None:
    os.link(target / "etc/hostname", target / "etc/other")
    apply(target, [change(b"etc/hostname")])
    assert (target / "etc/other").read_text() == "primary\n"


def test_a_symlink_is_replaced_not_written_through(target: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    (target / "etc/link").symlink_to(outside)
    apply(target, [change(b"etc/link")])
    assert outside.read_text() == "untouched"
    assert not (target / "etc/link").is_symlink()


def test_a_folder_that_is_a_symlink_is_refused_by_name(target: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (target / "away").symlink_to(tmp_path / "outside")
    with pytest.raises(IdentityError, match=r"/away/file.*at 'away'"):
        apply(target, [change(b"away/file")])
    assert os.listdir(tmp_path / "outside") == []


def test_a_folder_in_the_files_place_is_refused(target: Path) -> None:
    for content in (b"x", None):
        with pytest.raises(IdentityError, match="/etc"):
            apply(target, [change(b"etc", content)])
    assert sorted(os.listdir(target)) == ["etc"]


@pytest.mark.parametrize("path", [b"", b"/etc/x", b"etc/../../x", b"a//b", b"a/.", b"nul\0l"])
def test_paths_that_could_lead_elsewhere_are_refused(target: Path, path: bytes) -> None:
    with pytest.raises(IdentityError):
        apply(target, [change(path)])


def test_names_need_not_be_utf8(target: Path) -> None:
    apply(target, [change(b"etc/\xff\n")])
    assert b"\xff\n" in os.listdir(os.fsencode(target / "etc"))
