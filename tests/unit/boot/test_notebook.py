"""What is noted while answering is on disk soon after, under the node's name."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from haoscar_pxe.boot.notebook import MOST_WAITING, Notebook
from haoscar_pxe.nodes.asking import Asker
from haoscar_pxe.nodes.declare import interface, new_node
from haoscar_pxe.nodes.registry import Registry
from haoscar_pxe.nodes.strangers import StrangerFile
from haoscar_pxe.nodes.timeline import Happening, TimelineFile

MAC, STRANGER = "52:54:00:00:00:01", "52:54:00:00:01:01"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    made = Registry(tmp_path / "registry.sqlite")
    card = interface(MAC, "10.77.0.20/24")
    made.add(new_node("standby", role="standby", image="primary", interfaces=(card,)))
    yield made
    made.close()


@pytest.fixture
def notebook(tmp_path: Path, registry: Registry) -> Notebook:
    strangers = StrangerFile(tmp_path / "strangers.sqlite")
    return Notebook(registry, strangers, TimelineFile(tmp_path / "timeline.sqlite"))


def happening(at_ns: int) -> Happening:
    return Happening(at_ns=at_ns, kind="fetched", message="'file'")


def test_a_node_is_found_by_mac_and_by_address_and_strangers_are_dropped(
    notebook: Notebook, tmp_path: Path
) -> None:
    for at, who in enumerate((MAC, "10.77.0.20", STRANGER, "10.77.0.99", MAC)):
        notebook.happened(who, happening(at))
    notebook.write()
    timeline = TimelineFile(tmp_path / "timeline.sqlite")
    assert [each.at_ns for each in timeline.of("standby")] == [0, 1, 4]
    timeline.close()


def test_it_is_written_while_the_server_runs_and_once_more_at_its_end(
    notebook: Notebook, tmp_path: Path
) -> None:
    strangers = StrangerFile(tmp_path / "strangers.sqlite")
    with notebook.writing(every_s=0.01):
        notebook.sightings.asked(Asker(mac=STRANGER), 5)
        until = time.monotonic() + 5
        while not strangers.all() and time.monotonic() < until:
            time.sleep(0.01)
        assert [each.mac for each in strangers.all()] == [STRANGER]
        notebook.sightings.asked(Asker(mac=MAC), 6)
    assert [each.mac for each in strangers.all()] == [STRANGER, MAC]
    strangers.close()


def test_a_flood_does_not_fill_the_memory(notebook: Notebook, tmp_path: Path) -> None:
    for at in range(MOST_WAITING + 10):
        notebook.happened(STRANGER, happening(at))
    notebook.happened(MAC, happening(7))
    assert len(notebook._waiting) == MOST_WAITING
    notebook.write()
    timeline = TimelineFile(tmp_path / "timeline.sqlite")
    assert timeline.of("standby") == [happening(7)]
    timeline.close()


def test_what_cannot_be_written_is_said_and_the_next_goes_on(
    notebook: Notebook, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = sqlite3.connect(tmp_path / "strangers.sqlite")
    other.execute("DROP TABLE strangers")
    notebook.sightings.asked(Asker(mac=STRANGER), 5)
    notebook.happened(MAC, happening(7))
    with caplog.at_level(logging.ERROR):
        notebook.write()
    other.close()
    assert "1 unknown machines cannot be written" in caplog.text
    timeline = TimelineFile(tmp_path / "timeline.sqlite")
    assert timeline.of("standby") == [happening(7)]
    timeline.close()
