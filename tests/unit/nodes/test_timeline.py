from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.timeline import MOST, Happening, TimelineFile


def fetched(at_ns: int) -> Happening:
    return Happening(at_ns=at_ns, kind="fetched", message="'file'", size_bytes=5, took_s=0.5)


def test_what_was_seen_is_read_by_another_in_order(tmp_path: Path) -> None:
    writer = TimelineFile(tmp_path / "timeline.sqlite")
    writer.keep([("a", fetched(1)), ("b", fetched(2)), ("a", fetched(3))])
    reader = TimelineFile(tmp_path / "timeline.sqlite")
    assert reader.of("a") == [fetched(1), fetched(3)]
    assert reader.of("b") == [fetched(2)]
    assert reader.of("c") == []
    reader.close()
    writer.close()


def test_only_the_last_of_each_node_are_kept(tmp_path: Path) -> None:
    timeline = TimelineFile(tmp_path / "timeline.sqlite")
    timeline.keep([("quiet", fetched(0))])
    for at in range(3):
        timeline.keep([("busy", fetched(at * MOST + number)) for number in range(MOST)])
    assert [each.at_ns for each in timeline.of("busy")] == list(range(2 * MOST, 3 * MOST))
    assert timeline.of("quiet") == [fetched(0)]
    timeline.close()


def test_a_file_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    timeline = TimelineFile(tmp_path / "timeline.sqlite")
    other = sqlite3.connect(tmp_path / "timeline.sqlite")
    other.execute("DROP TABLE happenings")
    with pytest.raises(NodeError, match=r"what 1 nodes did cannot be written"):
        timeline.keep([("a", fetched(1))])
    other.close()
    timeline.close()
