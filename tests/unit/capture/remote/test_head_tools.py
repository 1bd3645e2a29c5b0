"""A head's own programs come first; the bundle's where there are none, or they are too old."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from haoscar_pxe.boot.bundle import build_bundle
from haoscar_pxe.capture.remote import head_tools
from haoscar_pxe.capture.remote.head_tools import HeadTools
from haoscar_pxe.command import run
from haoscar_pxe.errors import CommandError, MissingToolError


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_bundle(tmp_path_factory.mktemp("cache")).folder


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of programs that this head has."""
    monkeypatch.setattr(head_tools, "PROGRAM_FOLDERS", str(tmp_path))
    return tmp_path


def program(folder: Path, name: str, lines: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{lines}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize("name", ["sfdisk", "lsblk", "blkid", "dumpe2fs"])
def test_a_head_without_the_program_runs_the_bundles(bundle: Path, own: Path, name: str) -> None:
    option = "-V" if name == "dumpe2fs" else "--version"
    finished = HeadTools(bundle, run)([name, option])
    assert b"util-linux" in finished.stdout or b"dumpe2fs" in finished.stderr


def test_the_heads_own_program_comes_first(bundle: Path, own: Path) -> None:
    program(own, "sfdisk", "echo mine $1; cat")
    assert HeadTools(bundle, run)(["sfdisk", "x"], stdin=b"in").text == "mine x\nin"


def test_the_bundles_program_follows_one_that_is_too_old(bundle: Path, own: Path) -> None:
    program(own, "lsblk", "echo 'unknown option --json' >&2; exit 1")
    assert b"util-linux" in HeadTools(bundle, run)(["lsblk", "--version"]).stdout


def test_a_failure_without_another_program_is_the_heads_own(bundle: Path, own: Path) -> None:
    program(own, "lvs", "exit 5")
    with pytest.raises(CommandError) as caught:
        HeadTools(bundle, run)(["lvs"])
    assert caught.value.status == 5


def test_a_program_that_nobody_has_is_missing(bundle: Path, own: Path) -> None:
    shutil.rmtree(own)
    with pytest.raises(MissingToolError, match="neither on this head nor in the agent bundle"):
        HeadTools(bundle, run)(["zfs", "list"])
    with pytest.raises(MissingToolError):
        HeadTools(bundle / "no-bundle", run)(["sfdisk"])
