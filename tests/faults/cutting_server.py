"""A server of packs that breaks off after any number of bytes, on loopback, in real sockets.

The cut falls anywhere: in the status line, in a header, in the content, or before any answer. It
counts what it sends, so that a reader that fetches too much again is found out.
"""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from haoscar_pxe.image.store import PackStore

REQUEST = re.compile(rb"GET /packs/([0-9a-f]{64})\.pack HTTP/1\.1\r\n")
RANGE = re.compile(rb"Range: bytes=([0-9]+)-([0-9]+)\r\n")
MAX_REQUEST_BYTES: Final = 8192


@dataclass(slots=True)
class Cuts:
    """dice: decides where to cut. likelihood: of a cut in an answer. flips: of a wrong bit in one.

    cuts, flipped: how many there were. sent_bytes: of contents, cut or not. turned_away:
    connections closed without an answer, as while a server restarts.
    """

    dice: Random
    likelihood: float
    flips: float = 0.0
    cuts: int = 0
    flipped: int = 0
    sent_bytes: int = 0
    turned_away: int = 0


class Handler(socketserver.StreamRequestHandler):
    """Answers ranges on a kept connection until it cuts one."""

    store: ClassVar[PackStore]
    faults: ClassVar[Cuts]

    def handle(self) -> None:
        if self.faults.dice.random() < self.faults.likelihood / 3:
            self.faults.turned_away += 1
            return
        while (request := self._request()) and self._answer(request):
            pass

    def _request(self) -> bytes:
        lines = b""
        while line := self.rfile.readline(MAX_REQUEST_BYTES):
            lines += line
            if line == b"\r\n":
                return lines
        return b""

    def _answer(self, request: bytes) -> bool:
        """Send the range; whether the connection goes on."""
        name, span = REQUEST.match(request), RANGE.search(request)
        assert name is not None
        assert span is not None
        pack_id, first = name[1].decode(), int(span[1])
        size = self.store.size(pack_id)
        content = self.store.read(pack_id, first, min(int(span[2]), size - 1) - first + 1)
        head = (
            f"HTTP/1.1 206 Partial Content\r\nContent-Length: {len(content)}\r\n"
            f"Content-Range: bytes {first}-{first + len(content) - 1}/{size}\r\n\r\n"
        )
        return self._send(head.encode(), self._damaged(content))

    def _damaged(self, content: bytes) -> bytes:
        if self.faults.dice.random() >= self.faults.flips:
            return content
        self.faults.flipped += 1
        wrong = bytearray(content)
        wrong[self.faults.dice.randrange(len(wrong))] ^= 1 << self.faults.dice.randrange(8)
        return bytes(wrong)

    def _send(self, head: bytes, content: bytes) -> bool:
        answer, faults = head + content, self.faults
        is_cut = faults.dice.random() < faults.likelihood
        end = faults.dice.randrange(len(answer)) if is_cut else len(answer)
        faults.cuts += is_cut
        faults.sent_bytes += max(0, end - len(head))
        self.wfile.write(answer[:end])
        return not is_cut


class Server(socketserver.ThreadingTCPServer):
    """One thread for each connection, none of them outlives the campaign."""

    allow_reuse_address = True
    daemon_threads = True


@contextmanager
def cutting(store: PackStore, cuts: Cuts) -> Iterator[str]:
    """Serve the store's packs on loopback; the base URL."""
    handler = type("BoundHandler", (Handler,), {"store": store, "faults": cuts})
    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
