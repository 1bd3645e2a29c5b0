"""The registry keeps what it is given, gives nobody an address twice, and bears two processes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.declare import armed, interface, new_node
from haoscar_pxe.nodes.node import Node
from haoscar_pxe.nodes.order import NodeEvent, Step
from haoscar_pxe.nodes.registry import Registry


def node(number: int) -> Node:
    return new_node(
        f"node{number}",
        role="standby",
        image="primary",
        interfaces=(interface(f"52:54:00:00:00:{number:02x}", f"10.77.0.{number}/24"),),
    )


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "state" / "registry.sqlite")


def test_a_node_is_found_by_name_mac_and_token(registry: Registry) -> None:
    one = node(20)
    registry.add(one)
    assert registry.get("node20") == one
    assert registry.by_mac("52:54:00:00:00:14") == one
    assert registry.by_token(one.order_token) == one
    assert registry.by_address("10.77.0.20") == one
    assert registry.by_mac("52:54:00:00:00:15") is None


def test_the_same_name_mac_or_address_is_refused_and_nothing_changes(registry: Registry) -> None:
    registry.add(node(20))
    same_mac = msgspec.structs.replace(node(20), name="other")
    same_address = new_node(
        "third",
        role="standby",
        image="primary",
        interfaces=(interface("52:54:00:00:00:99", "10.77.0.20/16"),),
    )
    for clash in (node(20), same_mac, same_address):
        with pytest.raises(NodeError, match="node20"):
            registry.add(clash)
    assert [each.name for each in registry.nodes()] == ["node20"]


def test_arming_again_closes_the_old_tokens_door(registry: Registry) -> None:
    one = node(20)
    registry.add(one)
    changed = registry.change("node20", armed)
    assert registry.by_token(one.order_token) is None
    assert registry.by_token(changed.order_token) == changed


def test_a_refused_change_leaves_the_node_as_it_was(registry: Registry) -> None:
    registry.add(node(20))
    registry.add(node(21))
    taken = registry.get("node20").interfaces
    with pytest.raises(NodeError, match="node20"):
        registry.change("node21", lambda old: msgspec.structs.replace(old, interfaces=taken))
    assert registry.by_mac("52:54:00:00:00:15") == registry.get("node21")


def test_an_unknown_name_says_which_are_known(registry: Registry) -> None:
    registry.add(node(20))
    with pytest.raises(NodeError) as caught:
        registry.get("nobody")
    assert "node20" in caught.value.hint


def test_a_removed_node_leaves_its_address_free(registry: Registry) -> None:
    registry.add(node(20))
    registry.remove("node20")
    registry.add(node(20))
    assert [each.name for each in registry.nodes()] == ["node20"]


def test_events_come_back_in_order_and_only_the_new_ones(registry: Registry) -> None:
    registry.add(node(20))
    for at, step in enumerate((Step.STARTED, Step.ORDER, Step.INSTALLED)):
        registry.record("node20", NodeEvent(mac="52:54:00:00:00:14", step=step), at_ns=at)
    first, *others = registry.events("node20")
    assert [each.event.step for each in (first, *others)] == ["started", "order", "installed"]
    assert registry.events("node20", after=first.number) == others


MARK_50_TIMES = """
import sys, pathlib, msgspec
from haoscar_pxe.nodes.registry import Registry
registry = Registry(pathlib.Path(sys.argv[1]))
for _ in range(50):
    registry.change(
        "node20", lambda old: msgspec.structs.replace(old, generation=(old.generation or 0) + 1)
    )
"""


def test_no_change_of_two_processes_is_lost(registry: Registry) -> None:
    registry.add(node(20))
    argv = [sys.executable, "-c", MARK_50_TIMES, str(registry.path)]
    workers = [subprocess.Popen(argv) for _ in range(2)]
    assert [worker.wait(60) for worker in workers] == [0, 0]
    assert registry.get("node20").generation == 100


def test_reading_does_not_wait_for_somebody_who_writes(registry: Registry) -> None:
    registry.add(node(20))
    with closing(sqlite3.connect(registry.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM nodes")
        began = time.monotonic()
        assert registry.by_mac("52:54:00:00:00:14") is not None
        assert time.monotonic() - began < 1.0
        other.execute("ROLLBACK")


def test_what_is_no_registry_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    path.write_bytes(b"something else entirely, long enough to have no SQLite header" * 20)
    before = path.read_bytes()
    with pytest.raises(NodeError, match="cannot be used"):
        Registry(path)
    assert path.read_bytes() == before


def test_all_nodes_are_rewritten_at_once_or_none(registry: Registry) -> None:
    registry.add(node(20))
    registry.add(node(21))
    registry.record("node20", NodeEvent(mac="52:54:00:00:00:14", step=Step.STARTED), 1)
    swapped = msgspec.structs.replace(node(21), interfaces=node(20).interfaces)
    registry.rewrite(lambda nodes: [swapped, node(22)])
    assert [each.name for each in registry.nodes()] == ["node21", "node22"]
    assert registry.by_mac("52:54:00:00:00:14") == swapped
    assert registry.events("node20") == []
    clash = msgspec.structs.replace(node(23), interfaces=node(22).interfaces)
    with pytest.raises(NodeError, match="node22"):
        registry.rewrite(lambda nodes: [*nodes, clash])
    assert [each.name for each in registry.nodes()] == ["node21", "node22"]


def test_the_version_changes_with_each_change_and_only_then(registry: Registry) -> None:
    before = registry.version()
    registry.add(node(20))
    after = registry.version()
    assert after != before
    registry.rewrite(lambda nodes: nodes)
    assert registry.version() == after
    other = Registry(registry.path)
    other.add(node(21))
    assert registry.version() != after
