"""The leases of strangers on disk, so that a restart of the server gives no address twice.

    leases (address, mac, end_s)    mac: "" for an address that is kept from everybody

A file of its own: only the server writes it, so an ACK never waits for somebody who changes nodes.
One row an address, so the file is bounded by the pool. Each `keep` is one transaction that is on
the disk when it returns (WAL with synchronous = FULL: one fsync, https://sqlite.org/wal.html).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.database import Database

_SCHEMA: Final = """
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS leases (
        address INTEGER PRIMARY KEY, mac TEXT NOT NULL, end_s REAL NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Lease:
    """mac: whose it is, "" if it is kept from everybody. end_s: seconds since 1970."""

    mac: str
    end_s: float


class LeaseFile:
    """The file. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Open or make it. Raises NodeError if it cannot be used."""
        self._path = path
        self._database = Database(path, _SCHEMA)

    def all(self) -> dict[IPv4Address, Lease]:
        """All that was kept, those that have ended too."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT address, mac, end_s FROM leases").fetchall()
        return {IPv4Address(address): Lease(mac, end_s) for address, mac, end_s in rows}

    def keep(self, changes: Mapping[IPv4Address, Lease | None]) -> None:
        """Write these leases, and forget those that are None. Raises NodeError: nothing is kept."""
        gone = [(int(address),) for address, lease in changes.items() if lease is None]
        kept = [(int(address), each.mac, each.end_s) for address, each in changes.items() if each]
        try:
            with self._database.writing() as connection:
                connection.executemany("DELETE FROM leases WHERE address = ?", gone)
                connection.executemany("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", kept)
        except sqlite3.Error as error:
            raise NodeError(
                f"{len(changes)} leases cannot be written to {self._path}: {error}",
                hint="strangers are given no address until that works; is the disk full?",
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
