"""Reads one file by TFTP as many clients at once, all from one process.

    python -m tests.bench.serving.tftp_load SERVER FILENAME COPY CLIENTS BLKSIZE WINDOWSIZE LIMIT_S

COPY is a file with what must come. BLKSIZE 512 and WINDOWSIZE 1 are not asked for: that is how old
ROMs speak. Prints one line of JSON, a Load. A client that hears nothing for a second asks again.
"""

from __future__ import annotations

import select
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from tests.bench.serving.burst import Burst
from tests.bench.serving.expected import Expected
from tests.bench.serving.tftp_reader import Reader, WrongBytesError

RESEND_S: Final = 1.0
TICK_S: Final = 0.1
EVENTS: Final = 256


@dataclass(frozen=True, slots=True)
class Load:
    """What became of it. seconds: until the last client that completes had its last byte."""

    complete: int
    seconds: float
    bytes: int
    repeated: int
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """What each client asks for."""

    filename: str
    blksize: int
    windowsize: int


class Crowd:
    """All clients of one run. limit_s: after that whoever is not complete is given up."""

    def __init__(self, server: str, copy: bytes, clients: int, wish: Wish, limit_s: float) -> None:
        burst, expected = Burst(max(2, wish.windowsize), wish.blksize), Expected(copy)
        self._readers = [Reader(server, expected, burst) for _ in range(clients)]
        self._wish = wish
        self._limit_s = limit_s
        self._epoll = select.epoll()
        self._reading = {reader.sock.fileno(): reader for reader in self._readers}
        self._wrong: list[str] = []
        self._repeated = 0

    def run(self) -> Load:
        """Everything from the first request to the end."""
        for fd in self._reading:
            self._epoll.register(fd, select.EPOLLIN)
        began = last = time.monotonic()
        for reader in self._readers:
            self._ask(reader, began)
        looked = began
        while self._reading and (now := time.monotonic()) < began + self._limit_s:
            if self._serve(now):
                last = time.monotonic()
            if now >= looked + TICK_S:
                self._repeat(now)
                looked = now
        complete = sum(reader.is_complete for reader in self._readers)
        read = sum(reader.bytes_read for reader in self._readers)
        seconds = (last if complete else time.monotonic()) - began
        return Load(complete, seconds, read, self._repeated, tuple(self._wrong))

    def _serve(self, now: float) -> bool:
        """One round of epoll; whether one of them completed."""
        finished = False
        for fd, _ in self._epoll.poll(TICK_S, EVENTS):
            reader = self._reading[fd]
            reader.heard_at = now
            try:
                reader.on_readable()
            except (WrongBytesError, OSError) as error:
                self._wrong.append(str(error))
                self._leave(fd)
                continue
            if reader.is_complete:
                finished = True
                self._leave(fd)
        return finished

    def _leave(self, fd: int) -> None:
        self._epoll.unregister(fd)
        self._reading.pop(fd).sock.close()

    def _repeat(self, now: float) -> None:
        for reader in self._reading.values():
            if now - reader.heard_at >= RESEND_S:
                self._repeated += 1
                self._ask(reader, now)

    def _ask(self, reader: Reader, now: float) -> None:
        reader.heard_at = now
        try:
            reader.ask(self._wish.filename, self._wish.blksize, self._wish.windowsize)
        except OSError as error:
            self._wrong.append(str(error))


def main(server: str, filename: str, copy: str, *numbers: str) -> None:
    """Run and print."""
    clients, blksize, windowsize = map(int, numbers[:3])
    wish = Wish(filename, blksize, windowsize)
    crowd = Crowd(server, Path(copy).read_bytes(), clients, wish, float(numbers[3]))
    sys.stdout.write(msgspec.json.encode(crowd.run()).decode() + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
