"""The smallest capture there can be, so that the repository can be tested with real trees.

It is not the product's: no mounts, no torn files, no holes beyond what SEEK_DATA says.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from haoscar_pxe.image.chunker import split
from haoscar_pxe.image.entry import (
    Device,
    Directory,
    Entry,
    Extent,
    Fifo,
    File,
    HardLink,
    Metadata,
    Socket,
    Symlink,
)
from haoscar_pxe.image.folders import open_root
from haoscar_pxe.image.layout import Boot, DiskLayout
from haoscar_pxe.image.manifest import Manifest, Record
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import SigningKey
from haoscar_pxe.image.walk import Standing, Walk
from haoscar_pxe.image.writer import GenerationWriter

KEY = SigningKey(bytes(range(32)))
RECORD = Record(
    created_ns=1_700_000_000_000_000_001,
    host_name="primary",
    consistency="tree",
    layout=DiskLayout(
        disks=(), boot=Boot(firmware="bios", loader="none", kernel_release="6.1.0-1-amd64")
    ),
)


def store_tree(repository: Repository, root: Path, image: str = "primary") -> Manifest:
    """Capture root as the image's next generation."""
    with repository.writer(image) as writer:
        for entry in read_tree(writer, root):
            writer.add_entry(entry)
        return writer.commit(RECORD, KEY)


def read_tree(writer: GenerationWriter, root: Path) -> Iterator[Entry]:
    """The entries of the tree at root; contents go to the writer."""
    root_fd = open_root(root)
    walk = Walk(root_fd)
    first_names: dict[int, bytes] = {}
    while (here := walk.next()) is not None:
        first = first_names.setdefault(here.status.st_ino, here.path)
        if not here.is_folder and first != here.path:
            yield HardLink(here.path, first)
        else:
            yield _entry(writer, here)
    walk.close()
    os.close(root_fd)


def _entry(writer: GenerationWriter, here: Standing) -> Entry:
    status, meta = here.status, _metadata(here)
    match stat.S_IFMT(status.st_mode):
        case stat.S_IFDIR:
            return Directory(here.path, meta)
        case stat.S_IFREG:
            return File(here.path, meta, status.st_size, tuple(_extents(writer, here)))
        case stat.S_IFLNK:
            return Symlink(here.path, meta, os.readlink(here.name, dir_fd=here.folder_fd))
        case stat.S_IFIFO:
            return Fifo(here.path, meta)
        case stat.S_IFSOCK:
            return Socket(here.path, meta)
    major, minor = os.major(status.st_rdev), os.minor(status.st_rdev)
    return Device(here.path, meta, stat.S_ISBLK(status.st_mode), major, minor)


def _metadata(here: Standing) -> Metadata:
    names = sorted(os.listxattr(here.proc_path, follow_symlinks=False))
    xattrs = tuple(
        (os.fsencode(name), os.getxattr(here.proc_path, name, follow_symlinks=False))
        for name in names
    )
    status = here.status
    mode = stat.S_IMODE(status.st_mode)
    return Metadata(mode, status.st_uid, status.st_gid, status.st_mtime_ns, xattrs)


def _extents(writer: GenerationWriter, here: Standing) -> Iterator[Extent]:
    fd = os.open(here.name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=here.folder_fd)
    try:
        for start, end in _data(fd, here.status.st_size):
            at = start
            for piece in split(os.pread(fd, end - start, start)):
                yield Extent(at, len(piece), writer.add_chunk(piece))
                at += len(piece)
    finally:
        os.close(fd)


def _data(fd: int, size: int) -> Iterator[tuple[int, int]]:
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, end
