"""The registry: nodes and what they reported, kept in SQLite behind a narrow interface.

    nodes   (name, record)      record: the Node as JSON
    claims  (claim, name)       "mac 52:54:…", "address 10.77.0.20", "token …": each has one owner
    events  (id, name, at_ns, record)

One process serves while another changes nodes: each call is one transaction of its own, and WAL
lets readers go on while somebody writes, so that no boot decision waits for a write. What is read
before a write is read under the write lock. Nothing else may know that this is SQLite.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Interface
from pathlib import Path

import msgspec

from haoscar_pxe.errors import NodeError, UnknownNodeError
from haoscar_pxe.nodes.database import Database
from haoscar_pxe.nodes.node import Node
from haoscar_pxe.nodes.order import NodeEvent

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS nodes (name TEXT PRIMARY KEY, record BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS claims (claim TEXT PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS events (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, at_ns INTEGER NOT NULL, record BLOB NOT NULL);
    CREATE INDEX IF NOT EXISTS events_of ON events (name, id);
"""


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """What a node reported. number rises with time; at_ns: nanoseconds since 1970, here."""

    number: int
    at_ns: int
    event: NodeEvent


class Registry:
    """The registry in one file. Safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        """Open or make it. Raises NodeError if the file cannot be used."""
        self.path = path
        self._database = Database(path, _SCHEMA)

    def add(self, node: Node) -> None:
        """Add a node. Raises NodeError: its name, a MAC or an address is taken."""
        with self._database.writing() as connection:
            if connection.execute("SELECT 1 FROM nodes WHERE name = ?", (node.name,)).fetchone():
                raise NodeError(
                    f"there is a node {node.name} already",
                    hint=f"'haoscar-pxe node set {node.name} …' changes it",
                )
            _put(connection, node)

    def change(self, name: str, how: Callable[[Node], Node]) -> Node:
        """Replace a node by how(node), in one transaction. Raises NodeError as `get` and `add`."""
        with self._database.writing() as connection:
            before = _get(connection, name)
            changed = how(before)
            _release(connection, before)
            _put(connection, changed)
            return changed

    def rewrite(self, how: Callable[[Sequence[Node]], Sequence[Node]]) -> None:
        """Replace all nodes by how(all nodes), in one transaction; only differences are written.

        Those that are gone lose their events. Raises NodeError: two would have the same address.
        """
        with self._database.writing() as connection:
            rows = connection.execute("SELECT record FROM nodes ORDER BY name").fetchall()
            before = {node.name: node for node in map(_decode, (record for (record,) in rows))}
            after = {node.name: node for node in how(list(before.values()))}
            changed = [node for node in after.values() if before.get(node.name) != node]
            gone = [name for name in before if name not in after]
            for name in (*gone, *(node.name for node in changed)):
                if (old := before.get(name)) is not None:
                    _release(connection, old)
            for name in gone:
                connection.execute("DELETE FROM nodes WHERE name = ?", (name,))
                connection.execute("DELETE FROM events WHERE name = ?", (name,))
            for node in changed:
                _put(connection, node)

    def version(self) -> int:
        """Another number after each change by anybody; of this object alone (SQLite's pragma)."""
        with self._database.reading() as connection:
            (number,) = connection.execute("PRAGMA data_version").fetchone()
        return int(number)

    def remove(self, name: str) -> Node:
        """Forget a node and its events; returns what it was. Raises NodeError if unknown."""
        with self._database.writing() as connection:
            node = _get(connection, name)
            _release(connection, node)
            for table in ("nodes", "events"):
                connection.execute(f"DELETE FROM {table} WHERE name = ?", (name,))
            return node

    def get(self, name: str) -> Node:
        """The node of that name. Raises NodeError naming the known ones."""
        with self._database.reading() as connection:
            return _get(connection, name)

    def by_mac(self, mac: str) -> Node | None:
        """The node that declared the MAC (in canonical form)."""
        return self._owner(f"mac {mac}")

    def by_address(self, ip: str) -> Node | None:
        """The node that declared the IPv4 address (without prefix)."""
        return self._owner(f"address {ip}")

    def by_token(self, token: str) -> Node | None:
        """The node whose present order carries the token."""
        return self._owner(f"token {token}")

    def nodes(self) -> list[Node]:
        """All nodes, by name."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT record FROM nodes ORDER BY name").fetchall()
        return [_decode(record) for (record,) in rows]

    def record(self, name: str, event: NodeEvent, at_ns: int) -> None:
        """Keep what a node reported."""
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO events (name, at_ns, record) VALUES (?, ?, ?)",
                (name, at_ns, msgspec.json.encode(event)),
            )

    def events(self, name: str, after: int = 0) -> list[RecordedEvent]:
        """What a node reported, in order; only numbers above `after`."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT id, at_ns, record FROM events WHERE name = ? AND id > ? ORDER BY id",
                (name, after),
            ).fetchall()
        return [
            RecordedEvent(number, at_ns, msgspec.json.decode(record, type=NodeEvent))
            for number, at_ns, record in rows
        ]

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _owner(self, claim: str) -> Node | None:
        row = self._database.row(
            "SELECT record FROM nodes JOIN claims USING (name) WHERE claim = ?", claim
        )
        return _decode(row[0]) if row else None


def _get(connection: sqlite3.Connection, name: str) -> Node:
    row = connection.execute("SELECT record FROM nodes WHERE name = ?", (name,)).fetchone()
    if row:
        return _decode(row[0])
    known = [other for (other,) in connection.execute("SELECT name FROM nodes ORDER BY name")]
    raise UnknownNodeError(
        f"there is no node '{name}'",
        hint=f"known: {', '.join(known)}" if known else "'haoscar-pxe node add' makes one",
    )


def _put(connection: sqlite3.Connection, node: Node) -> None:
    for claim in _claims(node):
        taken = connection.execute("SELECT name FROM claims WHERE claim = ?", (claim,)).fetchone()
        if taken:
            raise NodeError(
                f"{claim} belongs to node {taken[0]}",
                hint=f"'haoscar-pxe node show {taken[0]}' shows what it has",
            )
        connection.execute("INSERT INTO claims VALUES (?, ?)", (claim, node.name))
    record = msgspec.json.encode(node)
    connection.execute("INSERT OR REPLACE INTO nodes VALUES (?, ?)", (node.name, record))


def _release(connection: sqlite3.Connection, node: Node) -> None:
    """Each by its own key: by the node's name all claims would have to be looked at."""
    claims = [(claim,) for claim in _claims(node)]
    connection.executemany("DELETE FROM claims WHERE claim = ?", claims)


def _claims(node: Node) -> list[str]:
    macs = [f"mac {each.mac}" for each in node.interfaces]
    addresses = [f"address {IPv4Interface(each.address).ip}" for each in node.interfaces]
    return [*macs, *addresses, f"token {node.order_token}"]


@lru_cache(maxsize=1 << 14)
def _decode(record: bytes) -> Node:
    return msgspec.json.decode(record, type=Node)
