"""Who may mirror the repository: names and their tokens' hashes, in the registry's file.

    mirrors (name, digest, added_ns, seen_ns)    digest: BLAKE2s-256 of the token, in hex

    twins (name)    those of them that are told of all nodes, tokens of orders included

A mirror's token opens every image, so it is not kept: whoever reads the registry cannot use it.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from hashlib import blake2s
from pathlib import Path
from typing import Final

from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.database import Database
from haoscar_pxe.nodes.declare import check_name

TOKEN_BYTES: Final = 32
SEEN_EVERY_NS: Final = 60 * 10**9
"""When a mirror was seen last is written down no more often."""
_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS mirrors (
        name TEXT PRIMARY KEY, digest TEXT UNIQUE NOT NULL, added_ns INTEGER NOT NULL,
        seen_ns INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS twins (name TEXT PRIMARY KEY);
"""


@dataclass(frozen=True, slots=True)
class KnownMirror:
    """A mirror. seen_ns: when it asked last, 0 if it never did."""

    name: str
    added_ns: int
    seen_ns: int


class Mirrors:
    """The mirrors of this site. Safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        """path: the registry's file. Raises NodeError if it cannot be used."""
        self._database = Database(path, _SCHEMA)

    def add(self, name: str, *, is_twin: bool = False) -> str:
        """Add a mirror; its token, which is nowhere else. Raises NodeError: the name is taken.

        is_twin: it serves the same nodes, and is told of them.
        """
        check_name(name)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        with self._database.writing() as connection:
            if connection.execute("SELECT 1 FROM mirrors WHERE name = ?", (name,)).fetchone():
                raise NodeError(
                    f"there is a mirror {name} already",
                    hint=f"'haoscar-pxe mirror remove {name}' takes its token away",
                )
            row = (name, _digest(token), time.time_ns(), 0)
            connection.execute("INSERT INTO mirrors VALUES (?, ?, ?, ?)", row)
            if is_twin:
                connection.execute("INSERT INTO twins VALUES (?)", (name,))
        return token

    def remove(self, name: str) -> None:
        """Its token opens nothing any more. Raises NodeError if unknown."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM twins WHERE name = ?", (name,))
            if connection.execute("DELETE FROM mirrors WHERE name = ?", (name,)).rowcount == 0:
                raise NodeError(
                    f"there is no mirror '{name}'", hint="'haoscar-pxe mirror list' shows them"
                )

    def all(self) -> list[KnownMirror]:
        """All of them, by name."""
        query = "SELECT name, added_ns, seen_ns FROM mirrors ORDER BY name"
        with self._database.reading() as connection:
            return [KnownMirror(*row) for row in connection.execute(query).fetchall()]

    def knows(self, token: str) -> bool:
        """Whether it is a mirror's; if so, that it asked is noted."""
        digest, now_ns = _digest(token), time.time_ns()
        with self._database.reading() as connection:
            query = "SELECT seen_ns FROM mirrors WHERE digest = ?"
            row = connection.execute(query, (digest,)).fetchone()
        if row is not None and now_ns - row[0] > SEEN_EVERY_NS:
            with self._database.writing() as connection:
                change = "UPDATE mirrors SET seen_ns = ? WHERE digest = ?"
                connection.execute(change, (now_ns, digest))
        return row is not None

    def is_twin(self, token: str) -> bool:
        """Whether it is the token of a mirror that is told of all nodes."""
        query = "SELECT 1 FROM mirrors JOIN twins USING (name) WHERE digest = ?"
        with self._database.reading() as connection:
            return connection.execute(query, (_digest(token),)).fetchone() is not None

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


def _digest(token: str) -> str:
    return blake2s(token.encode("utf-8", "surrogatepass")).hexdigest()
