"""The bench's TFTP readers against our server: every byte, and segments as a real wire has them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.bench.measure import BenchError
from tests.bench.serving.daemons import running
from tests.bench.serving.tftp import Scene, daemon, load
from tests.bench.targets import OURS
from tests.needed import need
from tests.wire.namespaces import Link

pytestmark = pytest.mark.wire

FILE_BYTES = 1_000_001
WINDOW = Scene("a window", 5, 1428, 16, (OURS,))
LOCK_STEP = Scene("no window", 5, 512, 1, (OURS,))


@pytest.fixture
def served(tmp_path: Path) -> Path:
    need("ip", "ss")
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "kernel").write_bytes(random.Random(3).randbytes(FILE_BYTES))
    return folder


@pytest.mark.parametrize("scene", [WINDOW, LOCK_STEP], ids=lambda scene: str(scene.what))
def test_all_clients_get_the_file(wire: Link, served: Path, tmp_path: Path, scene: Scene) -> None:
    wire.cut_on_the_way()
    with running(wire.server, daemon(OURS, wire.server, served), tmp_path / "log"):
        result = load(wire, scene, served / "kernel")
    assert (result.complete, result.wrong) == (scene.clients, ())
    assert result.bytes == scene.clients * FILE_BYTES


def test_wrong_bytes_are_noticed(wire: Link, served: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    expected = bytearray((served / "kernel").read_bytes())
    expected[700_000] ^= 1
    copy.write_bytes(expected)
    wire.cut_on_the_way()
    with running(wire.server, daemon(OURS, wire.server, served), tmp_path / "log"):
        result = load(wire, WINDOW, copy)
    assert result.complete == 0
    assert len(result.wrong) == WINDOW.clients


def test_messages_that_no_wire_would_carry_are_noticed(
    wire: Link, served: Path, tmp_path: Path
) -> None:
    with (
        running(wire.server, daemon(OURS, wire.server, served), tmp_path / "log"),
        pytest.raises(BenchError, match="no wire"),
    ):
        load(wire, WINDOW, served / "kernel")
