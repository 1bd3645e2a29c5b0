"""cpio archives: as the kernel's documentation says, and as other people's cpio reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from haoscar_pxe.boot.cpio import (
    Member,
    archive,
    character_device,
    file,
    folder,
    symlink,
    with_parents,
)

MEMBERS = [
    folder(b"bin"),
    file(b"bin/tool", b"#!/bin/sh\n", 0o755),
    folder(b"etc", 0o700),
    file(b"etc/empty", b""),
    file(b"etc/name \xff\n", b"odd"),
    symlink(b"sbin", b"bin"),
]


def bytes_of(members: list[Member]) -> bytes:
    return b"".join(archive(members))


def test_a_header_is_what_buffer_format_rst_draws() -> None:
    header = bytes_of([character_device(b"dev/console", 5, 1)])
    assert header.startswith(
        b"070701"
        b"00000001"  # c_ino
        b"00002180"  # c_mode: S_IFCHR | 0600
        b"00000000"  # c_uid
        b"00000000"  # c_gid
        b"00000001"  # c_nlink
        b"00000000"  # c_mtime
        b"00000000"  # c_filesize
        b"00000000"  # c_maj
        b"00000000"  # c_min
        b"00000005"  # c_rmaj
        b"00000001"  # c_rmin
        b"0000000C"  # c_namesize, with its NUL
        b"00000000"  # c_chksum
        b"dev/console\0"
    )


def test_every_header_and_content_begins_at_a_multiple_of_four() -> None:
    for size in range(6):
        pieces = bytes_of([file(b"x" * 3, b"y" * size), file(b"second", b"z")])
        assert pieces.index(b"070701", 6) % 4 == 0
        assert pieces.index(b"z") % 4 == 0


def test_the_archive_ends_with_the_trailer() -> None:
    assert b"TRAILER!!!\0" in bytes_of([])


def test_busybox_unpacks_what_was_packed(tmp_path: Path) -> None:
    subprocess.run(
        ["busybox", "cpio", "-idm"], input=bytes_of(MEMBERS), cwd=tmp_path, check=True, timeout=60
    )
    assert (tmp_path / "bin/tool").read_bytes() == b"#!/bin/sh\n"
    assert (tmp_path / "bin/tool").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "etc").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "etc/empty").read_bytes() == b""
    assert (tmp_path / "sbin").readlink() == Path("bin")
    assert b"name \xff\n" in [name.name.encode(errors="surrogateescape") for name in odd(tmp_path)]


def odd(root: Path) -> list[Path]:
    return list((root / "etc").iterdir())


def test_the_same_members_give_the_same_bytes() -> None:
    assert bytes_of(MEMBERS) == bytes_of(MEMBERS)


def test_folders_that_nobody_gave_are_added_before_what_is_in_them() -> None:
    made = with_parents([file(b"lib/modules/6.1/modules.dep", b""), file(b"lib-x", b"")])
    names = [member.path for member in made]
    assert names.index(b"lib") < names.index(b"lib/modules") < names.index(b"lib/modules/6.1")
    assert len(names) == len(set(names))


def test_a_given_folder_keeps_its_permissions() -> None:
    made = with_parents([file(b"root/x", b""), folder(b"root", 0o700)])
    assert made[0] == folder(b"root", 0o700)


@pytest.mark.parametrize("path", [b"a", b"a/b", b"a/b/c/d"])
def test_inode_numbers_differ_so_that_the_kernel_joins_nothing(path: bytes) -> None:
    data = bytes_of(with_parents([file(path, b"x"), file(path + b"2", b"x")]))
    inodes = [data[at + 6 : at + 14] for at in starts(data)][:-1]
    assert len(inodes) == len(set(inodes))


def starts(data: bytes) -> list[int]:
    return [at for at in range(0, len(data), 4) if data[at : at + 6] == b"070701"]
