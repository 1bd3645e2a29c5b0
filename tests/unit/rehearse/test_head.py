"""The head is made once, and what is half made never stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from haoscar_pxe.rehearse import head
from haoscar_pxe.rehearse.head import find_mirror, make_head
from haoscar_pxe.rehearse.steps import Quiet
from tests.unit.rehearse.recorded import RecordedRun

DEB822 = "Types: deb\nURIs: http://ftp.example/debian/\nSuites: bookworm\n"


@pytest.mark.parametrize(
    ("sources", "mirror"),
    [
        (["deb http://ftp.example/debian bookworm main\n"], "http://ftp.example/debian"),
        ([DEB822], "http://ftp.example/debian"),
        (["# deb http://old.example/debian buster main\n"], head.DEFAULT_MIRROR),
        (["deb http://security.example/debian-security bookworm main\n"], head.DEFAULT_MIRROR),
        (["deb cdrom:[Debian]/ bookworm main\n", DEB822], "http://ftp.example/debian"),
        ([], head.DEFAULT_MIRROR),
    ],
)
def test_the_mirror_is_the_one_that_apt_uses(sources: list[str], mirror: str) -> None:
    assert find_mirror(sources) == mirror


def test_a_head_that_is_there_is_used_again(tmp_path: Path) -> None:
    (tmp_path / f"head-{head._recipe()}").mkdir()
    run = RecordedRun()
    made = make_head(tmp_path, Quiet(), run)
    assert made.was_reused
    assert made.tree == tmp_path / f"head-{head._recipe()}"
    assert run.asked == []


def test_only_heads_nobody_can_need_are_removed(tmp_path: Path) -> None:
    mine = f"head-aaaaaaaaaaaa.{os.getpid()}"
    for name in ("head-bbbbbbbbbbbb", "head-aaaaaaaaaaaa.999999999", mine, "debs"):
        (tmp_path / name).mkdir()
    head._discard_others(tmp_path, RecordedRun())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["debs", mine]


def test_discarding_what_is_not_there_is_fine(tmp_path: Path) -> None:
    head.discard(tmp_path / "head-aaaaaaaaaaaa.1", RecordedRun())
