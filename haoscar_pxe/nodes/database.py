"""The registry's SQLite file: one connection writes, one reads, each for one thread at once.

WAL lets readers go on while somebody writes, so that no boot decision waits for a write. Several
processes may have it open.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from haoscar_pxe.errors import NodeError

BUSY_TIMEOUT_S = 10.0


class Database:
    """The file, with the tables that `schema` makes where they are not there yet."""

    def __init__(self, path: Path, schema: str) -> None:
        """Open or make it. Raises NodeError if the file cannot be used."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writing = _Connection(path)
            self._writing.connection.execute("PRAGMA journal_mode = WAL")
            self._writing.connection.executescript(schema)
            self._reading = _Connection(path)
        except (OSError, sqlite3.Error) as error:
            raise NodeError(
                f"the registry {path} cannot be used: {error}",
                hint="check paths.state in the configuration, and who may write there",
            ) from error

    def writing(self) -> AbstractContextManager[sqlite3.Connection]:
        """One transaction under the write lock; undone if the block raises."""
        return self._writing.transaction("IMMEDIATE")

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """One transaction that reads; it waits for nobody who writes."""
        return self._reading.transaction("DEFERRED")

    def row(self, query: str, *values: object) -> tuple[Any, ...] | None:
        """The first row that one query finds; it is a transaction of its own."""
        return self._reading.row(query, values)

    def close(self) -> None:
        """Let go of the file."""
        self._reading.connection.close()
        self._writing.connection.close()


class _Connection:
    """A connection that one thread uses at a time."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None
        )
        self._lock = threading.Lock()

    def row(self, query: str, values: tuple[object, ...]) -> tuple[Any, ...] | None:
        with self._lock:
            found: tuple[Any, ...] | None = self.connection.execute(query, values).fetchone()
        return found

    @contextmanager
    def transaction(self, kind: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self.connection.execute(f"BEGIN {kind}")
            try:
                yield self.connection
            except BaseException:
                self.connection.execute("ROLLBACK")
                raise
            self.connection.execute("COMMIT")
