"""Write cpio archives of the kind that the kernel unpacks as its initramfs.

Source: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst ("newc" headers).
Archives are deterministic: owner root, time 0, members in the order given. It reads no archives.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from haoscar_pxe.errors import BootError

MAGIC: Final = b"070701"
TRAILER: Final = b"TRAILER!!!"
MAX_SIZE_BYTES: Final = 0xFFFFFFFF
"""A field of the header is eight hexadecimal digits."""
ALIGNMENT_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Member:
    """One name in an archive, owned by root.

    path: relative, without leading slash. mode: type and permission bits, as in `st_mode`.
    content: of a file, or the target of a symbolic link. device: major and minor of a device node.
    """

    path: bytes
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def folder(path: bytes, permissions: int = 0o755) -> Member:
    """A folder."""
    return Member(path, stat.S_IFDIR | permissions)


def file(path: bytes, content: bytes, permissions: int = 0o644) -> Member:
    """A regular file."""
    return Member(path, stat.S_IFREG | permissions, content)


def symlink(path: bytes, target: bytes) -> Member:
    """A symbolic link."""
    return Member(path, stat.S_IFLNK | 0o777, target)


def character_device(path: bytes, major: int, minor: int, permissions: int = 0o600) -> Member:
    """A character device node: bytes like any other here, so nobody needs to be root for it."""
    return Member(path, stat.S_IFCHR | permissions, device=(major, minor))


def archive(members: Iterable[Member]) -> Iterator[bytes]:
    """The archive, piece by piece. Raises BootError for content of 4 GiB and more."""
    # The kernel joins members with the same inode number and several links; ours have one each.
    for inode, member in enumerate(members, start=1):
        yield _header(inode, member)
        yield member.content
        yield _padding(len(member.content))
    yield _header(0, Member(TRAILER, 0))


def with_parents(members: Iterable[Member]) -> list[Member]:
    """The members sorted, with every folder above them that is not given: the kernel makes none.

    >>> [member.path for member in with_parents([file(b"a/b/c", b"")])]
    [b'a', b'a/b', b'a/b/c']
    """
    by_path = {member.path: member for member in members}
    for path in list(by_path):
        while path := path.rpartition(b"/")[0]:
            by_path.setdefault(path, folder(path))
    # A folder sorts before what is in it, whatever bytes the names hold.
    return [by_path[path] for path in sorted(by_path, key=lambda p: p.split(b"/"))]


def _header(inode: int, member: Member) -> bytes:
    if len(member.content) > MAX_SIZE_BYTES:
        raise BootError(f"{member.path!r} has {len(member.content)} bytes, too many for cpio")
    name = member.path + b"\0"
    links = 2 if stat.S_ISDIR(member.mode) else 1
    # ino mode uid gid nlink mtime filesize, device of the archive, own device, namesize, check
    fields = (inode, member.mode, 0, 0, links, 0, len(member.content), 0, 0, *member.device)
    packed = b"".join(b"%08X" % field for field in (*fields, len(name), 0))
    header = MAGIC + packed + name
    return header + _padding(len(header))


def _padding(size_bytes: int) -> bytes:
    return b"\0" * (-size_bytes % ALIGNMENT_BYTES)
