"""Machines that ask to boot and that nobody registered, on disk for the command line to read.

    strangers (mac, record)    record: the Stranger as JSON

A file of its own: the server writes it while it answers, and waits for nobody who changes nodes.
The server bounds how many there are (`boot.sightings`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.database import Database

_SCHEMA: Final = """
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS strangers (mac TEXT PRIMARY KEY, record BLOB NOT NULL);
"""


class Stranger(Struct, frozen=True, kw_only=True):
    """A machine by what it said of itself, any of which may be a lie.

    client_uuid, arch, vendor_class: as in `Asker`, the last that it said. is_pxe: firmware or a
    boot program has asked, not only an operating system. asked: how many times by DHCP. steps: the
    last things that it asked for, in order, without repetitions. Instants: nanoseconds since 1970.
    """

    mac: str
    client_uuid: str = ""
    arch: int | None = None
    vendor_class: str = ""
    is_pxe: bool = False
    first_ns: int
    last_ns: int
    asked: int = 0
    steps: tuple[str, ...] = ()


class StrangerFile:
    """The file. Safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        """Open or make it. Raises NodeError if it cannot be used."""
        self._path = path
        self._database = Database(path, _SCHEMA)

    def all(self) -> list[Stranger]:
        """All of them, in the order in which they appeared."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT record FROM strangers").fetchall()
        found = [msgspec.json.decode(record, type=Stranger) for (record,) in rows]
        return sorted(found, key=lambda each: (each.first_ns, each.mac))

    def keep(self, changes: Mapping[str, Stranger | None]) -> None:
        """Write these, and forget those that are None. Raises NodeError: nothing is kept."""
        gone = [(mac,) for mac, stranger in changes.items() if stranger is None]
        kept = [(mac, msgspec.json.encode(each)) for mac, each in changes.items() if each]
        try:
            with self._database.writing() as connection:
                connection.executemany("DELETE FROM strangers WHERE mac = ?", gone)
                connection.executemany("INSERT OR REPLACE INTO strangers VALUES (?, ?)", kept)
        except sqlite3.Error as error:
            raise NodeError(
                f"{len(changes)} unknown machines cannot be written to {self._path}: {error}",
                hint="'node discover' does not know them until that works; is the disk full?",
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
