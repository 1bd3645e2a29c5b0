"""Who may use the server's JSON API: names and their tokens' hashes, in the registry's file.

    administrators (name, digest, added_ns)    digest: SHA-256 of the token (FIPS 180-4)

A token is 32 random bytes, so its plain hash cannot be guessed back, and it is kept nowhere.
"""

from __future__ import annotations

import hmac
import secrets
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.database import Database
from haoscar_pxe.nodes.declare import check_name

TOKEN_BYTES: Final = 32
_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS administrators (
        name TEXT PRIMARY KEY, digest BLOB NOT NULL, added_ns INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class KnownAdministrator:
    """Who has a token. added_ns: nanoseconds since 1970."""

    name: str
    added_ns: int


class Administrators:
    """The administrators of this site. Safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        """path: the registry's file. Raises NodeError if it cannot be used."""
        self._database = Database(path, _SCHEMA)

    def add(self, name: str) -> str:
        """Add one; its token, which is nowhere else. Raises NodeError: the name is taken."""
        check_name(name)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        with self._database.writing() as connection:
            query = "SELECT 1 FROM administrators WHERE name = ?"
            if connection.execute(query, (name,)).fetchone():
                raise NodeError(
                    f"there is an administrator {name} already",
                    hint=f"'haoscar-pxe administrator remove {name}' takes its token away",
                )
            row = (name, _digest(token), time.time_ns())
            connection.execute("INSERT INTO administrators VALUES (?, ?, ?)", row)
        return token

    def remove(self, name: str) -> None:
        """Its token opens nothing any more. Raises NodeError if unknown."""
        with self._database.writing() as connection:
            change = "DELETE FROM administrators WHERE name = ?"
            if connection.execute(change, (name,)).rowcount == 0:
                raise NodeError(
                    f"there is no administrator '{name}'",
                    hint="'haoscar-pxe administrator list' shows them",
                )

    def all(self) -> list[KnownAdministrator]:
        """All of them, by name."""
        query = "SELECT name, added_ns FROM administrators ORDER BY name"
        with self._database.reading() as connection:
            return [KnownAdministrator(*row) for row in connection.execute(query).fetchall()]

    def name_of(self, token: str) -> str | None:
        """Whose token it is; how long that takes does not tell how much of a hash was right."""
        digest, found = _digest(token), None
        with self._database.reading() as connection:
            rows = connection.execute("SELECT name, digest FROM administrators").fetchall()
        for name, known in rows:
            if hmac.compare_digest(known, digest):
                found = str(name)
        return found

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
