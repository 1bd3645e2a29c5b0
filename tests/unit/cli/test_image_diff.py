"""`image diff` says what changed, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from haoscar_pxe.errors import RepositoryError
from tests.unit.cli.captured_site import capture, make_captured
from tests.unit.cli.site_folder import call


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Two generations: a file was added, one removed, one changed."""
    config, tree = make_captured(tmp_path)
    (tree / "etc/hostname").write_text("new-name\n")
    (tree / "etc/ssh/sshd_config").unlink()
    (tree / "etc/motd").write_text("hello\n")
    capture(config, tree)
    return config


def test_changes_are_lines_with_a_sign_and_end_with_their_sum(config: Path) -> None:
    lines = call(config, "image", "diff", "head@1", "head").output.splitlines()
    assert "~ /etc/hostname  content (9 B new of 9 B), mtime" in lines
    assert "- /etc/ssh/sshd_config" in lines
    assert "+ /etc/motd  file, 6 B" in lines
    assert lines[-1] == (
        "head@1 to head@2: 1 added, 1 removed, 3 changed, 15 B new (2 of 2 pages read)"
    )


def test_a_generation_against_itself_has_no_changes_and_reads_nothing(config: Path) -> None:
    output = call(config, "image", "diff", "head@2", "head").output
    assert output == (
        "head@2 to head@2: 0 added, 0 removed, 0 changed, 0 B new (0 of 2 pages read)\n"
    )


def test_a_program_is_given_one_document(config: Path) -> None:
    document = json.loads(call(config, "image", "diff", "head@1", "head@2", "--json").output)
    assert (document["added"], document["removed"], document["new_bytes"]) == (1, 1, 15)
    changed = {each["path"]: each["aspects"] for each in document["changes"]}
    assert changed["etc/hostname"] == ["content", "mtime"]


def test_two_images_can_be_compared(config: Path) -> None:
    assert "/boot/vmlinuz-6.1.0-9-amd64" in call(config, "image", "diff", "head", "primary").output


@pytest.mark.parametrize("wrong", ["head@x", "head@9", "nobody"])
def test_what_is_no_generation_is_an_error_with_a_hint(config: Path, wrong: str) -> None:
    error = call(config, "image", "diff", "head", wrong).exception
    assert isinstance(error, RepositoryError)
    assert error.hint
