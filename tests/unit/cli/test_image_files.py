"""`image files` lists a generation and `image cat` writes one file of it, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from haoscar_pxe.errors import RepositoryError
from tests.unit.cli.captured_site import make_captured
from tests.unit.cli.site_folder import call


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return make_captured(tmp_path)[0]


def listed(config: Path, *words: str) -> list[str]:
    """The last word of each line."""
    lines = call(config, "image", "files", "head", *words).output.splitlines()
    return [line.split()[-1] for line in lines]


def test_a_folder_is_listed_without_what_lies_deeper(config: Path) -> None:
    assert listed(config) == ["/disk", "/etc"]
    assert listed(config, "/etc/") == [
        "/etc/hostname",
        "/etc/hostname",  # name -> /etc/hostname
        "/etc/ssh",
        "/etc/hostname",  # zz-hostname = /etc/hostname
    ]


def test_all_below_a_folder_is_listed_on_demand(config: Path) -> None:
    assert listed(config, "-r", "etc/ssh") == ["/etc/ssh", "/etc/ssh/sshd_config"]
    assert len(listed(config, "-r")) == 8


def test_a_line_tells_mode_owner_size_and_where_links_lead(config: Path) -> None:
    lines = call(config, "image", "files", "head@1", "/etc").output.splitlines()
    assert lines[0].startswith("-rw-r--r-- ")
    assert " 5 B " in lines[0]
    assert lines[1].startswith("lrwxrwxrwx ")
    assert lines[1].endswith(" /etc/name -> /etc/hostname")
    assert lines[3] == "hard link /etc/zz-hostname = /etc/hostname"


def test_programs_are_given_an_array_of_entries(config: Path) -> None:
    found = json.loads(call(config, "image", "files", "head", "/disk", "--json").output)
    assert [(each["type"], each["path"], each["size_bytes"]) for each in found] == [
        ("File", "disk", 3 << 20)
    ]
    assert (
        json.loads(call(config, "image", "files", "head", "-r", "--json").output)[0]["path"] == ""
    )
    empty = call(config, "image", "files", "head", "/etc/ssh/sshd_config", "--json").output
    assert len(json.loads(empty)) == 1


@pytest.mark.parametrize("path", ["/etc/hostname", "etc/name", "/etc/zz-hostname", "/etc/../disk"])
def test_a_file_is_written_as_it_was_captured(config: Path, path: str) -> None:
    result = call(config, "image", "cat", "head", path)
    expected = config.parent / "tree" / ("disk" if "disk" in path else "etc/hostname")
    assert result.stdout_bytes == expected.read_bytes()


@pytest.mark.parametrize(
    ("command", "path", "said"),
    [
        ("cat", "/etc", "is a directory, not a file"),
        ("cat", "/nowhere", "there is no /nowhere in head@1"),
        ("files", "/nowhere", "there is no /nowhere in head@1"),
    ],
)
def test_what_is_not_there_is_named_with_a_hint(
    config: Path, command: str, path: str, said: str
) -> None:
    error = call(config, "image", command, "head", path).exception
    assert isinstance(error, RepositoryError)
    assert said in str(error)
    assert "image files head@1" in error.hint
