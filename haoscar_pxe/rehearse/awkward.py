r"""The files that clones lose: one of each, in the demo's head, so that its standby proves them.

    /usr/bin/ping           a file capability (security.capability)
    /srv/awkward/
        acl                 hpc may read it by an ACL entry only
        xattr               user.origin
        link-1 -2 -3        three names of one file
        sparse              1 GiB with 1 MiB of data in its middle
        \xff\n              a name that is not UTF-8, with a line feed
        fifo, null          a named pipe; a device node (character 1:3)
        sticky/             empty, mode 01777
        loop-a, loop-b      symbolic links to each other
        empty               0 bytes
        large               300 MB that do not compress
        odd, ancient        mtimes with odd nanoseconds; one before 1970

The content is the same each time. Source of the capability's bytes: capabilities(7), struct
vfs_cap_data of linux/capability.h, revision 2.
"""

from __future__ import annotations

import os
import random
import stat
import struct
from pathlib import Path
from typing import Final

from haoscar_pxe.command import Run

FOLDER: Final = "srv/awkward"
MIB: Final = 1024 * 1024
SPARSE_BYTES: Final = 1024 * MIB
LARGE_BYTES: Final = 300_000_000
ODD_NS: Final = 1_234_567_890_123_456_789
ANCIENT_NS: Final = -86_400 * 10**9 + 1
"""One nanosecond into 31 December 1969."""

VFS_CAP_REVISION_2: Final = 0x02000000
VFS_CAP_FLAGS_EFFECTIVE: Final = 0x000001
CAP_NET_RAW: Final = 13


def make_awkward_files(tree: Path, run: Run) -> None:
    """Add them to a head that has ping, setfacl and the user hpc. Needs root."""
    folder = tree / FOLDER
    folder.mkdir(parents=True)
    _capability(tree / "usr/bin/ping")
    _attributes(folder, tree, run)
    _links(folder)
    _special(folder)
    _contents(folder)
    _times(folder)


def _capability(program: Path) -> None:
    # Sets permitted and inheritable for the capabilities 0..31, then the same for 32..63.
    value = struct.pack(
        "<IIIII", VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE, 1 << CAP_NET_RAW, 0, 0, 0
    )
    os.setxattr(program, "security.capability", value)


def _attributes(folder: Path, tree: Path, run: Run) -> None:
    (folder / "acl").write_text("hpc may read this\n")
    (folder / "acl").chmod(0o640)
    run(["chroot", str(tree), "setfacl", "-m", "u:hpc:r", f"/{FOLDER}/acl"])
    (folder / "xattr").write_text("see my attributes\n")
    os.setxattr(folder / "xattr", "user.origin", b"primary\0\xff")


def _links(folder: Path) -> None:
    (folder / "link-1").write_text("one file, three names\n")
    os.link(folder / "link-1", folder / "link-2")
    os.link(folder / "link-1", folder / "link-3")
    (folder / "loop-a").symlink_to("loop-b")
    (folder / "loop-b").symlink_to("loop-a")


def _special(folder: Path) -> None:
    os.mkfifo(folder / "fifo", 0o600)
    os.mknod(folder / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (folder / "null").chmod(0o666)  # mknod takes the umask off
    (folder / "sticky").mkdir()
    (folder / "sticky").chmod(0o1777)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\n")).write_text("a name of two bytes\n")


def _contents(folder: Path) -> None:
    noise = random.Random(2005)
    with (folder / "sparse").open("wb") as file:
        file.truncate(SPARSE_BYTES)
        file.seek(SPARSE_BYTES // 2)
        file.write(noise.randbytes(MIB))
    (folder / "empty").touch()
    with (folder / "large").open("wb") as file:
        for begin in range(0, LARGE_BYTES, MIB):
            file.write(noise.randbytes(min(MIB, LARGE_BYTES - begin)))


def _times(folder: Path) -> None:
    for name, mtime_ns in (("odd", ODD_NS), ("ancient", ANCIENT_NS)):
        (folder / name).write_text(f"changed at {mtime_ns} ns\n")
        os.utime(folder / name, ns=(mtime_ns, mtime_ns))
