"""What the boot server saw of each node's boots, on disk for the command line to read.

    happenings (id, name, record)    record: the Happening as JSON; the last MOST of each node

A file of its own: the server writes it while it answers, and waits for nobody who changes nodes.
What a node reports of its installation is an event (`registry.py`); `boots.py` joins both.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.database import Database

MOST: Final = 200
"""Of one node: some ten boots, each of which asks for a dozen files."""
_SCHEMA: Final = """
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS happenings (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, record BLOB NOT NULL);
    CREATE INDEX IF NOT EXISTS happenings_of ON happenings (name, id);
"""

Kind: TypeAlias = Literal[
    "firmware asked", "iPXE asked", "decided", "fetched", "broke off", "refused"
]


class Happening(Struct, frozen=True, kw_only=True):
    """One thing that the server saw or decided.

    at_ns: nanoseconds since 1970, when it was over. message: the file's name, or what was answered.
    size_bytes, took_s: of a file that was fetched, or of what was sent of it.
    """

    at_ns: int
    kind: Kind
    message: str
    size_bytes: int | None = None
    took_s: float = 0.0


class TimelineFile:
    """The file. Safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        """Open or make it. Raises NodeError if it cannot be used."""
        self._path = path
        self._database = Database(path, _SCHEMA)

    def keep(self, seen: Iterable[tuple[str, Happening]]) -> None:
        """Add these to their nodes', by name. Raises NodeError: nothing is kept."""
        rows = [(name, msgspec.json.encode(happening)) for name, happening in seen]
        names = sorted({name for name, _ in rows})
        oldest = "SELECT id FROM happenings WHERE name = ? ORDER BY id DESC LIMIT 1 OFFSET ?"
        try:
            with self._database.writing() as connection:
                connection.executemany("INSERT INTO happenings (name, record) VALUES (?, ?)", rows)
                connection.executemany(
                    f"DELETE FROM happenings WHERE name = ? AND id <= ({oldest})",
                    [(name, name, MOST) for name in names],
                )
        except sqlite3.Error as error:
            raise NodeError(
                f"what {len(names)} nodes did cannot be written to {self._path}: {error}",
                hint="'node show' does not know it until that works; is the disk full?",
            ) from error

    def of(self, name: str) -> list[Happening]:
        """What was seen of this node, in order."""
        with self._database.reading() as connection:
            query = "SELECT record FROM happenings WHERE name = ? ORDER BY id"
            rows = connection.execute(query, (name,)).fetchall()
        return [msgspec.json.decode(record, type=Happening) for (record,) in rows]

    def forget(self, name: str) -> None:
        """Nothing was seen of this node. Raises NodeError: all is kept."""
        try:
            with self._database.writing() as connection:
                connection.execute("DELETE FROM happenings WHERE name = ?", (name,))
        except sqlite3.Error as error:
            raise NodeError(f"{self._path} still has what {name} did: {error}") from error

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
