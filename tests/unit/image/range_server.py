"""A server of packs whose faults a test can choose: real sockets, loopback only."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from haoscar_pxe.image.store import PackStore

TOKEN = "token-of-the-order"
RANGE = re.compile(r"bytes=([0-9]+)-([0-9]+)")


@dataclass(slots=True)
class Faults:
    """What goes wrong, request by request; afterwards all is well.

    Each is a status to answer, or a number of bytes (negative) after which the connection breaks.
    """

    planned: list[int] = field(default_factory=list)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    connections: int = 0


class Handler(BaseHTTPRequestHandler):
    """Serves ranges of packs, with faults."""

    protocol_version = "HTTP/1.1"
    store: ClassVar[PackStore]
    faults: ClassVar[Faults]

    def setup(self) -> None:
        self.faults.connections += 1
        super().setup()

    def do_GET(self) -> None:
        fault = self.faults.planned.pop(0) if self.faults.planned else 0
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._answer(403, b"no such token\n")
        elif fault > 0:
            self._answer(fault, b"not now\n" * 100)
        else:
            self._send_range(fault)

    def _send_range(self, fault: int) -> None:
        pack_id = self.path.removeprefix("/base/packs/").removesuffix(".pack")
        match = RANGE.fullmatch(self.headers["Range"])
        if match is None or pack_id not in self.store.pack_ids():
            self._answer(404, b"there is no such pack\n")
            return
        first, last = int(match[1]), int(match[2])
        self.faults.ranges.append((first, last))
        size = self.store.size(pack_id)
        data = self.store.read(pack_id, first, min(last, size - 1) - first + 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data if fault == 0 else data[: -fault - 1])
        if fault:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(store: PackStore, faults: Faults, port: int = 0) -> Iterator[str]:
    """Serve the store's packs on loopback; the base URL."""
    handler = type("BoundHandler", (Handler,), {"store": store, "faults": faults})
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/base"
        finally:
            server.shutdown()
            thread.join()


class FakeClock:
    """Time that passes only in pauses, and calls back during each."""

    def __init__(self) -> None:
        self.now = 0.0
        self.during_pause: Callable[[], None] = lambda: None

    def now_s(self) -> float:
        return self.now

    def pause(self, duration_s: float) -> None:
        self.now += duration_s
        self.during_pause()
