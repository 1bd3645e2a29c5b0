"""Shared libraries are found where the loader finds them, and named when they are not there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from haoscar_pxe.boot.shared_libraries import (
    LibraryMissingError,
    is_static,
    libraries_of,
    loader_folders,
)


def program(name: str) -> Path:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert found is not None
    return Path(found)


def test_the_same_libraries_are_found_as_ldd_finds() -> None:
    sfdisk = program("sfdisk")
    lines = subprocess.run(["ldd", str(sfdisk)], capture_output=True, text=True, check=True).stdout
    names = {Path(line.split()[0]).name for line in lines.splitlines()} - {"linux-vdso.so.1"}
    assert set(libraries_of([sfdisk])) == names


def test_each_library_found_is_a_file() -> None:
    assert all(path.is_file() for path in libraries_of([program("mke2fs")]).values())


def test_a_library_that_is_not_here_is_named_with_who_needs_it(tmp_path: Path) -> None:
    broken = tmp_path / "mke2fs"
    body = program("mke2fs").read_bytes()
    assert body.count(b"libext2fs.so.2") == 1
    broken.write_bytes(body.replace(b"libext2fs.so.2", b"libnowhere.so."))
    with pytest.raises(LibraryMissingError, match=r"mke2fs needs libnowhere\.so\.") as caught:
        libraries_of([broken])
    assert "ldd" in caught.value.hint


def test_a_script_needs_no_libraries(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    assert libraries_of([script]) == {}


def test_a_static_program_is_told_from_others() -> None:
    assert is_static(program("busybox"))
    assert not is_static(program("sfdisk"))


def test_the_loaders_folders_are_read_with_their_includes(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    for folder in (one, two, three):
        folder.mkdir()
    config = tmp_path / "ld.so.conf"
    (tmp_path / "conf.d").mkdir()
    config.write_text(f"# first\ninclude conf.d/*.conf\n{one}\n/not/there\n")
    (tmp_path / "conf.d/a.conf").write_text(f"{two} # comment\n")
    (tmp_path / "conf.d/b.conf").write_text(f"{three}\n")
    (tmp_path / "conf.d/c.txt").write_text("/bin\n")
    assert loader_folders(config)[:3] == [two, three, one]
    assert Path("/lib") in loader_folders(config)
