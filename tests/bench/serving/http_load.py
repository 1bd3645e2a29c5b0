"""Reads a file over HTTP as many clients at once, whole or in pieces, and compares every byte.

    python -m tests.bench.serving.http_load URL TOKEN COPY CLIENTS REQUESTS PIECE_BYTES LIMIT_S

Each client keeps its connection (RFC 9112 section 9.3) and asks as soon as it has an answer, until
all have asked REQUESTS times in sum. PIECE_BYTES 0 asks for the whole file, else for ranges of that
size anywhere in it. Prints one line of JSON, a Load.
"""

from __future__ import annotations

import ctypes
import random
import re
import select
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from tests.bench.serving.expected import Expected

BUFFER_BYTES: Final = 1 << 20
EVENTS: Final = 256
TICK_S: Final = 0.1
HEAD_END: Final = b"\r\n\r\n"
LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)")
STATUS: Final = re.compile(rb"HTTP/1\.1 20[06] ")


@dataclass(frozen=True, slots=True)
class Load:
    """What became of it. slowest_s: the longest wait for one whole answer."""

    answers: int
    seconds: float
    bytes: int
    slowest_s: float
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. piece_bytes: 0 for the whole file."""

    host: str
    port: int
    path: str
    token: str
    piece_bytes: int

    def request(self, start: int) -> bytes:
        """A GET of the piece that starts there."""
        head = (
            f"GET {self.path} HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Bearer {self.token}"
        )
        last = start + self.piece_bytes - 1
        ranged = f"\r\nRange: bytes={start}-{last}" if self.piece_bytes else ""
        return f"{head}{ranged}\r\n\r\n".encode()


class WrongAnswerError(Exception):
    """Not what was asked for."""


class Buffer:
    """Where all clients of the process receive, one at a time."""

    def __init__(self) -> None:
        memory = ctypes.create_string_buffer(BUFFER_BYTES)
        self.address = ctypes.addressof(memory)
        self.view = memoryview(memory).cast("B")


class Client:
    """One connection."""

    def __init__(self, wish: Wish, expected: Expected, chance: random.Random) -> None:
        self._wish = wish
        self._expected = expected
        self._chance = chance
        self.sock = socket.create_connection((wish.host, wish.port), 10)
        self.sock.setblocking(False)
        self._at = self._left = 0
        self.asked_at = 0.0

    def ask(self, now: float) -> None:
        """Send the next request, which fits into any send buffer."""
        pieces = len(self._expected.view) // (self._wish.piece_bytes or len(self._expected.view))
        self._at = self._chance.randrange(pieces) * self._wish.piece_bytes
        self._left = 0
        self.asked_at = now
        self.sock.send(self._wish.request(self._at))

    def receive(self, buffer: Buffer) -> tuple[int, bool]:
        """Bytes of content that came, and whether the answer is whole. Raises WrongAnswerError."""
        count = self.sock.recv_into(buffer.view)
        if not count:
            raise WrongAnswerError("the connection was closed")
        start = 0 if self._left else self._head(bytes(buffer.view[: min(count, 4096)]))
        size = count - start
        if size > self._left or not self._expected.matches(buffer.address + start, self._at, size):
            raise WrongAnswerError(f"{size} bytes at {self._at} are not the file's")
        self._at += size
        self._left -= size
        return size, not self._left

    def _head(self, head: bytes) -> int:
        """Note how much comes; where the content begins. Servers send their head in one piece."""
        end, length = head.find(HEAD_END), LENGTH.search(head)
        if end < 0 or length is None or not STATUS.match(head):
            raise WrongAnswerError(repr(head[:200]))
        self._left = int(length[1])
        if self._left != (self._wish.piece_bytes or len(self._expected.view)):
            raise WrongAnswerError(f"{self._left} bytes were announced")
        return end + len(HEAD_END)


class Crowd:
    """All clients of one run."""

    def __init__(self, wish: Wish, copy: bytes, clients: int) -> None:
        expected, chance = Expected(copy), random.Random(1)
        self._clients = [Client(wish, expected, chance) for _ in range(clients)]
        self._buffer = Buffer()
        self._epoll = select.epoll()
        self._wrong: list[str] = []

    def run(self, requests: int, limit_s: float) -> Load:
        """Ask so many times in sum; after limit_s it is over."""
        waiting = {client.sock.fileno(): client for client in self._clients}
        began = now = time.monotonic()
        asked = answers = came = 0
        slowest = 0.0
        for fd, client in waiting.items():
            self._epoll.register(fd, select.EPOLLIN)
            client.ask(began)
            asked += 1
        while waiting and not self._wrong and now < began + limit_s:
            for fd, _ in self._epoll.poll(TICK_S, EVENTS):
                size, is_whole = self._receive(waiting[fd])
                came += size
                if not is_whole:
                    continue
                now = time.monotonic()
                answers += 1
                slowest = max(slowest, now - waiting[fd].asked_at)
                if asked < requests:
                    waiting[fd].ask(now)
                    asked += 1
                else:
                    self._epoll.unregister(fd)
                    del waiting[fd]
            now = time.monotonic()
        return Load(answers, now - began, came, slowest, tuple(self._wrong))

    def _receive(self, client: Client) -> tuple[int, bool]:
        try:
            return client.receive(self._buffer)
        except (WrongAnswerError, OSError) as error:
            self._wrong.append(str(error))
            return 0, False


def main(url: str, token: str, copy: str, *numbers: str) -> None:
    """Run and print."""
    clients, requests, piece_bytes = map(int, numbers[:3])
    parts = urlsplit(url)
    wish = Wish(parts.hostname or "", parts.port or 80, parts.path, token, piece_bytes)
    load = Crowd(wish, Path(copy).read_bytes(), clients).run(requests, float(numbers[3]))
    sys.stdout.write(msgspec.json.encode(load).decode() + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
