"""A folder that only our names went through has the mtime it had before; another keeps its own."""

from __future__ import annotations

import os
from pathlib import Path

from haoscar_pxe.capture.snapshot.top_times import give_back, times, unchanged


def test_only_a_folder_that_nobody_else_changed_gets_its_mtime_back(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for top in (ours, theirs):
        top.mkdir()
        os.utime(top, ns=(1, 1_000_000_007))
    before = times([ours, theirs])
    for top in (ours, theirs):
        (top / "shot").mkdir()
    during = times([ours, theirs])
    os.utime(theirs, ns=(1, 5_000_000_000))
    untouched = unchanged(during)
    for top in (ours, theirs):
        (top / "shot").rmdir()
    give_back(before, untouched)
    assert ours.stat().st_mtime_ns == 1_000_000_007
    assert theirs.stat().st_mtime_ns > 5_000_000_000


def test_a_folder_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    assert unchanged({tmp_path / "gone": 7}) == set()
