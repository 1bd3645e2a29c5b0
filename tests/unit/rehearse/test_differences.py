"""Only what is declared may differ, and it must differ as declared."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from haoscar_pxe.image.compare import Aspect, Difference
from haoscar_pxe.image.layout import FileSystem
from haoscar_pxe.nodes.order import IdentityChange
from haoscar_pxe.rehearse.differences import (
    identity_not_applied,
    is_folders_time,
    undeclared,
    wrong_uuids,
)
from haoscar_pxe.rehearse.mounted import MountedDisk, MountedFileSystem

HOSTNAME = IdentityChange(path=b"etc/hostname", content=b"standby\n", reason="its own name")
GONE = IdentityChange(path=b"etc/old", content=None, reason="ties names to MACs")
GRUB = IdentityChange(path=b"boot/grub/grub.cfg", content=b"set", mode=0o600, reason="a menu")


def differs(path: bytes, aspect: Aspect) -> Difference:
    return Difference(path, aspect, "this", "that")


def lay(root: Path, path: str, content: str = "", mode: int = 0o644) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(content)
    (root / path).chmod(mode)


@pytest.mark.parametrize("aspect", ["content", "mtime", "holes"])
def test_a_declared_file_may_have_new_content(tmp_path: Path, aspect: Aspect) -> None:
    assert undeclared([differs(b"etc/hostname", aspect)], tmp_path, [HOSTNAME]) == []


@pytest.mark.parametrize("aspect", ["mode", "owner", "xattrs", "type", "links", "missing"])
def test_a_declared_file_may_differ_in_nothing_else(tmp_path: Path, aspect: Aspect) -> None:
    difference = differs(b"etc/hostname", aspect)
    assert undeclared([difference], tmp_path, [HOSTNAME]) == [difference]


def test_a_removed_file_must_be_gone(tmp_path: Path) -> None:
    changed = differs(b"etc/old", "content")
    assert undeclared([differs(b"etc/old", "missing"), changed], tmp_path, [GONE]) == [changed]


def test_any_other_path_is_a_difference(tmp_path: Path) -> None:
    difference = differs(b"etc/hosts", "mtime")
    assert undeclared([difference], tmp_path, [HOSTNAME, GONE, GRUB]) == [difference]


@pytest.mark.skipif(os.geteuid() != 0, reason="a new declared file belongs to root")
def test_a_new_file_must_have_the_declared_mode(tmp_path: Path) -> None:
    extra = differs(b"boot/grub/grub.cfg", "extra")
    lay(tmp_path, "boot/grub/grub.cfg", "set", 0o600)
    assert undeclared([extra], tmp_path, [GRUB]) == []
    (tmp_path / "boot/grub/grub.cfg").chmod(0o644)
    assert undeclared([extra], tmp_path, [GRUB]) == [extra]


def test_a_new_file_may_need_a_folder(tmp_path: Path) -> None:
    lay(tmp_path, "boot/grub/grub.cfg")
    assert undeclared([differs(b"boot/grub", "extra")], tmp_path, [GRUB]) == []
    assert undeclared([differs(b"boot", "extra")], tmp_path, [GRUB]) == []


def test_what_is_the_standbys_own_may_lie_there(tmp_path: Path) -> None:
    lay(tmp_path, "boot/grub/grub.cfg")
    lay(tmp_path, "boot/grub/haoscar-pxe/vmlinuz")
    assert undeclared([differs(b"boot/grub", "extra")], tmp_path, [GRUB]) == []


@pytest.mark.parametrize("stowaway", ["boot/grub/grubenv", "boot/grub/fonts/unicode.pf2"])
def test_nothing_undeclared_hides_in_that_folder(tmp_path: Path, stowaway: str) -> None:
    extra = differs(b"boot/grub", "extra")
    lay(tmp_path, "boot/grub/grub.cfg")
    lay(tmp_path, stowaway)
    assert undeclared([extra], tmp_path, [GRUB]) == [extra]


@pytest.mark.parametrize("name", ["link", "empty"])
def test_neither_a_link_nor_an_empty_folder_hides_there(tmp_path: Path, name: str) -> None:
    extra = differs(b"boot/grub", "extra")
    lay(tmp_path, "boot/grub/grub.cfg")
    if name == "link":
        (tmp_path / "boot/grub/link").symlink_to("/etc")
    else:
        (tmp_path / "boot/grub/empty").mkdir()
    assert undeclared([extra], tmp_path, [GRUB]) == [extra]


def test_a_declared_change_that_was_not_made_is_told(tmp_path: Path) -> None:
    lay(tmp_path, "etc/hostname", "primary\n")
    lay(tmp_path, "etc/old")
    problems = identity_not_applied(MountedDisk(tmp_path, ()), [HOSTNAME, GONE, GRUB])
    assert [problem.split(":")[0] for problem in problems] == [
        "/etc/hostname is not as declared",
        "/etc/old should have been removed",
        "/boot/grub/grub.cfg is not as declared",
    ]


def test_declared_changes_that_were_made_are_no_problem(tmp_path: Path) -> None:
    lay(tmp_path, "etc/hostname", "standby\n")
    lay(tmp_path, "boot/grub/grub.cfg", "set")
    assert identity_not_applied(MountedDisk(tmp_path, ()), [HOSTNAME, GONE, GRUB]) == []


def test_a_file_system_with_another_uuid_is_told(tmp_path: Path) -> None:
    expected = FileSystem(kind="ext4", uuid="1111-AAAA", mount_point="/")
    found = [MountedFileSystem(expected, uuid) for uuid in ("1111-aaaa", "2222-BBBB")]
    assert wrong_uuids(MountedDisk(tmp_path, tuple(found))) == [
        "the file system at / has the UUID 2222-BBBB, not 1111-AAAA"
    ]


def test_a_fat_keeps_no_time_of_folders(tmp_path: Path) -> None:
    (tmp_path / "boot/efi/EFI").mkdir(parents=True)
    lay(tmp_path, "boot/efi/EFI/grubx64.efi")
    roots = frozenset({b"boot/efi"})
    assert is_folders_time(differs(b"boot/efi", "mtime"), roots, tmp_path)
    assert is_folders_time(differs(b"boot/efi/EFI", "mtime"), roots, tmp_path)
    assert not is_folders_time(differs(b"boot", "mtime"), roots, tmp_path)
    assert not is_folders_time(differs(b"boot/efi/EFI", "mode"), roots, tmp_path)
    assert not is_folders_time(differs(b"boot/efi/EFI/grubx64.efi", "mtime"), roots, tmp_path)
