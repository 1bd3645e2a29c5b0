from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.strangers import Stranger, StrangerFile


def test_strangers_are_read_by_another_in_the_order_in_which_they_appeared(tmp_path: Path) -> None:
    late = Stranger(mac="a", first_ns=20, last_ns=20, arch=7, steps=("firmware DISCOVER",))
    early = Stranger(mac="b", first_ns=10, last_ns=30)
    writer = StrangerFile(tmp_path / "strangers.sqlite")
    writer.keep({"a": late, "b": early, "c": early})
    writer.keep({"c": None})
    reader = StrangerFile(tmp_path / "strangers.sqlite")
    assert reader.all() == [early, late]
    reader.close()
    writer.close()


def test_a_file_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    file = StrangerFile(tmp_path / "strangers.sqlite")
    other = sqlite3.connect(tmp_path / "strangers.sqlite")
    other.execute("DROP TABLE strangers")
    with pytest.raises(NodeError, match=r"1 unknown machines cannot be written"):
        file.keep({"a": None})
    other.close()
    file.close()
