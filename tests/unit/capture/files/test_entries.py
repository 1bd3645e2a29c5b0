"""Each kind of name becomes its entry, also when it becomes another kind meanwhile."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from haoscar_pxe.capture.files.entries import EntryReader
from haoscar_pxe.capture.files.walk import Visit
from haoscar_pxe.capture.scope.scope import Treatment
from haoscar_pxe.image.entry import (
    Device,
    Directory,
    Entry,
    Fifo,
    File,
    HardLink,
    Metadata,
    Socket,
    Symlink,
)
from tests.unit.capture.recording import PatientClock, RecordingSink, opened
from tests.unit.image.awkward import needs_root


def read(folder: Path, name: str, status: os.stat_result | None = None) -> Entry:
    """Read one name, by the status that the walk is said to have seen."""
    with opened(folder) as fd:
        visit = Visit(
            os.fsencode(name),
            fd,
            os.fsencode(name),
            status or (folder / name).lstat(),
            Treatment.ENTER,
        )
        return EntryReader(fd, RecordingSink(), PatientClock()).read(visit)


def test_every_kind_of_name(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(os.path.relpath(tmp_path / "socket"))
    kinds = {name: type(read(tmp_path, name)) for name in os.listdir(tmp_path)}
    assert kinds == {
        "folder": Directory,
        "file": File,
        "link": Symlink,
        "pipe": Fifo,
        "socket": Socket,
    }


@needs_root
def test_device_nodes_keep_kind_and_number(tmp_path: Path) -> None:
    os.mknod(tmp_path / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(tmp_path / "disk", stat.S_IFBLK | 0o660, os.makedev(259, 70000))
    null, disk = read(tmp_path, "null"), read(tmp_path, "disk")
    assert isinstance(null, Device)
    assert isinstance(disk, Device)
    assert (null.is_block, null.major, null.minor) == (False, 1, 3)
    assert (disk.is_block, disk.major, disk.minor) == (True, 259, 70000)


def test_link_target_is_kept_as_it_stands(tmp_path: Path) -> None:
    os.symlink(b"/\xff//../x", os.fsencode(tmp_path / "link"))
    entry = read(tmp_path, "link")
    assert isinstance(entry, Symlink)
    assert entry.target == b"/\xff//../x"


def test_mount_point_that_may_not_be_asked_is_roots_plain_folder(tmp_path: Path) -> None:
    with opened(tmp_path) as fd:
        visit = Visit(b"net", fd, b"net", None, Treatment.UNTOUCHED)
        entry = EntryReader(fd, RecordingSink(), PatientClock()).read(visit)
    assert entry == Directory(b"net", Metadata(0o755, 0, 0, 0))


def test_file_that_became_a_link_is_captured_as_the_link(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_bytes(b"nameserver")
    seen = (tmp_path / "resolv.conf").lstat()
    (tmp_path / "resolv.conf").unlink()
    (tmp_path / "resolv.conf").symlink_to("../run/resolv.conf")
    assert isinstance(read(tmp_path, "resolv.conf", seen), Symlink)


def test_file_that_was_replaced_is_captured_as_the_new_one(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    seen = (tmp_path / "f").lstat()
    (tmp_path / "new").write_bytes(b"newer")
    (tmp_path / "new").rename(tmp_path / "f")
    entry = read(tmp_path, "f", seen)
    assert isinstance(entry, File)
    assert entry.size_bytes == 5


def test_link_that_became_a_file_is_captured_as_the_file(tmp_path: Path) -> None:
    (tmp_path / "f").symlink_to("x")
    seen = (tmp_path / "f").lstat()
    (tmp_path / "f").unlink()
    (tmp_path / "f").write_bytes(b"x")
    assert isinstance(read(tmp_path, "f", seen), File)


def test_file_that_became_a_fifo_or_socket_is_captured_as_that(tmp_path: Path) -> None:
    for name, kind in (("p", Fifo), ("s", Socket)):
        (tmp_path / name).touch()
        seen = (tmp_path / name).lstat()
        (tmp_path / name).unlink()
        if kind is Fifo:
            os.mkfifo(tmp_path / name)
        else:
            with socket.socket(socket.AF_UNIX) as unix:
                unix.bind(os.path.relpath(tmp_path / name))
        assert isinstance(read(tmp_path, name, seen), kind)


def test_file_that_became_a_folder_vanished(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    seen = (tmp_path / "f").lstat()
    (tmp_path / "f").unlink()
    (tmp_path / "f").mkdir()
    with pytest.raises(FileNotFoundError):
        read(tmp_path, "f", seen)


def test_names_of_one_link_fifo_or_file_are_hard_links(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("x")
    os.mkfifo(tmp_path / "pipe")
    with opened(tmp_path) as fd:
        reader = EntryReader(fd, RecordingSink(), PatientClock())
        for name in ("file", "link", "pipe"):
            os.link(tmp_path / name, tmp_path / f"{name}-too", follow_symlinks=False)
            for path in (name, f"{name}-too"):
                status = (tmp_path / path).lstat()
                visit = Visit(path.encode(), fd, path.encode(), status, Treatment.ENTER)
                entry = reader.read(visit)
            assert entry == HardLink(f"{name}-too".encode(), name.encode())
