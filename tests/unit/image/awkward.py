"""A tree of everything that backup programs lose, as far as whoever runs the test may make it."""

from __future__ import annotations

import os
import socket
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(
    not IS_ROOT and os.environ.get("CI") != "true", reason="only root may make these"
)

MIB = 1 << 20
LONG_NAME = b"n" * 200
LONG_DEPTH = 30
ACL_ENTRIES = [  # tag, permissions, id: user::rw-, user:1234:rw-, group::r--, mask::rw-, other::---
    (0x01, 6, 0xFFFFFFFF),
    (0x02, 6, 1234),
    (0x04, 4, 0xFFFFFFFF),
    (0x10, 6, 0xFFFFFFFF),
    (0x20, 0, 0xFFFFFFFF),
]
ACL = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in ACL_ENTRIES)
CAP_NET_RAW = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)  # linux/capability.h, v2


def build(root: Path, *, deep: bool = True) -> None:
    """Make the tree in a folder that exists already. deep: with a path longer than PATH_MAX."""
    _files(root)
    _names(root)
    _special(root)
    _folders(root)
    if IS_ROOT:
        _roots_own(root)
    if deep:
        _deep(root)
    _times(root)


def _files(root: Path) -> None:
    (root / "empty").write_bytes(b"")
    (root / "small").write_bytes(b"#!/bin/sh\n")
    (root / "small").chmod(0o4711)
    (root / "large").write_bytes(bytes(range(256)) * 40 * 1024 + os.urandom(MIB))
    with (root / "sparse").open("wb") as file:
        file.seek(64 * MIB)
        file.write(b"x" * MIB)
        file.truncate(128 * MIB)
    with (root / "only-a-hole").open("wb") as file:
        file.truncate(5 * MIB + 1)
    with (root / "trailing-hole").open("wb") as file:
        file.write(b"data")
        file.truncate(1 * MIB)
    for name in ("link-b", "sub-link"):
        os.link(root / "small", root / name)
    os.setxattr(root / "small", "user.origin", b"\0binary\xff")
    (root / "acl").write_bytes(b"guarded")
    os.setxattr(root / "acl", "system.posix_acl_access", ACL)


def _names(root: Path) -> None:
    folder = os.fsencode(root)
    for name in (b"\xff\n", b"-rf", b" space ", b"a", b"a-b", "ümläut".encode(), b"\x01\x02"):
        with open(folder + b"/odd" + name, "wb") as file:
            file.write(name)


def _special(root: Path) -> None:
    os.mkfifo(root / "fifo", 0o622)
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(f"/proc/self/fd/{(fd := os.open(root, os.O_RDONLY))}/socket")
        os.close(fd)
    (root / "loop-a").symlink_to("loop-b")
    (root / "loop-b").symlink_to("loop-a")
    (root / "nowhere").symlink_to("/does/not/exist")
    (root / "absolute").symlink_to("/etc/passwd")
    os.link(root / "nowhere", root / "nowhere-too", follow_symlinks=False)
    os.link(root / "fifo", root / "fifo-too")


def _folders(root: Path) -> None:
    (root / "sticky").mkdir()
    (root / "sticky").chmod(0o1777)
    (root / "closed").mkdir()
    (root / "closed" / "inside").write_bytes(b"inside")
    (root / "closed").chmod(0o500)
    (root / "inheriting").mkdir()
    (root / "inheriting" / "child").mkdir()
    (root / "inheriting" / "file").write_bytes(b"must not inherit")
    os.setxattr(root / "inheriting", "system.posix_acl_default", ACL)
    (root / "inheriting").chmod(0o2750)


def _roots_own(root: Path) -> None:
    os.mknod(root / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(root / "disk", 0o640 | stat.S_IFBLK, os.makedev(259, 1_048_575))
    (root / "ping").write_bytes(b"ELF")
    os.chown(root / "ping", 0, 7)
    os.setxattr(root / "ping", "security.capability", CAP_NET_RAW)
    (root / "setuid").write_bytes(b"ELF")
    os.chown(root / "setuid", 1234, 4_000_000_000)
    (root / "setuid").chmod(0o6755)
    os.lchown(root / "absolute", 12, 34)
    os.setxattr(root / "nowhere", "trusted.on-symlink", b"yes", follow_symlinks=False)
    os.setxattr(root / "null", "trusted.on-device", b"yes", follow_symlinks=False)
    os.chown(root / "fifo", 5, 6)
    os.chown(root / "sticky", 65534, 65534)


def _deep(root: Path) -> None:
    """A chain of folders whose path is longer than PATH_MAX, with a file at its end."""
    fd = os.open(root, os.O_RDONLY)
    for _ in range(LONG_DEPTH):
        os.mkdir(LONG_NAME, dir_fd=fd)
        below = os.open(LONG_NAME, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    with os.fdopen(os.open("deep", os.O_WRONLY | os.O_CREAT, 0o640, dir_fd=fd), "wb") as file:
        file.write(b"far down")
    os.link("deep", "deep-too", src_dir_fd=fd, dst_dir_fd=fd)
    os.symlink("deep", "deep-link", dir_fd=fd)
    os.close(fd)


def _times(root: Path) -> None:
    """Odd nanoseconds, before 1970, far away; folders last."""
    os.utime(root / "small", ns=(1, 1_234_567_890_123_456_789))
    os.utime(root / "empty", ns=(1, -86_400_000_000_001))
    os.utime(root / "loop-a", ns=(1, 999_999_999), follow_symlinks=False)
    os.utime(root / "large", ns=(1, 13_569_465_600_000_000_003))  # 2400
    os.utime(root / "inheriting", ns=(1, -1))
    os.utime(root, ns=(1, 42))


def as_nobody(act: Callable[[], None]) -> None:
    """Do it as an ordinary user: in a child process where we are root, here where we are not."""
    if not IS_ROOT:
        act()
        return
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            act()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
