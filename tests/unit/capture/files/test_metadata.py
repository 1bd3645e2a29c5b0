"""Extended attributes of everything that can carry them, in the order of their names."""

from __future__ import annotations

import os
from pathlib import Path

from haoscar_pxe.capture.files.metadata import metadata, xattrs_of_file, xattrs_of_name
from tests.unit.capture.recording import opened
from tests.unit.image.awkward import needs_root


def test_attributes_are_ordered_and_binary_safe(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    for name, value in (("user.z", b""), ("user.a", b"\0\xff"), ("user.m", b"x" * 1000)):
        os.setxattr(path, name, value)
    wanted = ((b"user.a", b"\0\xff"), (b"user.m", b"x" * 1000), (b"user.z", b""))
    with opened(tmp_path) as fd, path.open() as file:
        assert xattrs_of_name(fd, b"file") == wanted
        assert xattrs_of_file(file.fileno()) == wanted


def test_name_that_is_not_utf8_is_found(tmp_path: Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), b"\xff\n")
    with open(path, "wb"):
        pass
    os.setxattr(path, "user.x", b"1")
    with opened(tmp_path) as fd:
        assert xattrs_of_name(fd, b"\xff\n") == ((b"user.x", b"1"),)


@needs_root
def test_link_shows_its_own_attributes_not_its_targets(tmp_path: Path) -> None:
    (tmp_path / "target").touch()
    os.setxattr(tmp_path / "target", "user.x", b"target's")
    (tmp_path / "link").symlink_to("target")
    os.setxattr(tmp_path / "link", "trusted.x", b"own", follow_symlinks=False)
    with opened(tmp_path) as fd:
        assert xattrs_of_name(fd, b"link") == ((b"trusted.x", b"own"),)


def test_file_system_without_attributes_shows_none() -> None:
    with opened(Path("/proc/self")) as fd:
        assert xattrs_of_name(fd, b"status") == ()


def test_mode_is_kept_without_the_type(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    os.utime(tmp_path, ns=(5, -86_400_000_000_001))
    meta = metadata(tmp_path.lstat(), ())
    assert (meta.mode, meta.mtime_ns) == (0o1777, -86_400_000_000_001)
