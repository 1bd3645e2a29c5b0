"""The least HTTP server that an installation can come from, with a switch to make it go away."""

from __future__ import annotations

import http.server
import json
import re
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import msgspec

from haoscar_pxe.image.repository import Repository
from haoscar_pxe.nodes.order import InstallOrder, NodeEvent

RANGE = re.compile(r"bytes=(\d+)-(\d+)")


class ImageServer:
    """Serves one order from a repository on loopback, and keeps the events that it hears.

    leaves_when: once this is true it closes every connection without a word, `absent_answers`
    times, and is there again after that.
    """

    def __init__(self, repository: Repository, order: InstallOrder) -> None:
        self.repository = repository
        self.order = order
        self.events: list[NodeEvent] = []
        self.leaves_when: Callable[[], bool] = lambda: False
        self.absent_answers = 0
        self._server = _Quiet(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> ImageServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def is_away(self) -> bool:
        """True if this connection is to be dropped; counts the absent answers down."""
        if self.absent_answers == 0 or not self.leaves_when():
            return False
        self.absent_answers -= 1
        return True

    def answer(self, path: str, wanted: str) -> tuple[HTTPStatus, bytes]:
        """Status and body of a GET; wanted: the Range header's value."""
        if path == "/v1/order":
            return HTTPStatus.OK, msgspec.json.encode(self.order)
        if path.endswith(".manifest"):
            name = self.order.image
            manifest = self.repository.manifest_path(name, self.order.generation)
            return HTTPStatus.OK, manifest.read_bytes()
        if path.endswith(".packs"):
            return HTTPStatus.OK, json.dumps(self.repository.store.pack_ids()).encode()
        if match := re.fullmatch(r"/packs/([0-9a-f]+)\.pack", path):
            return self._pack(match[1], wanted)
        return HTTPStatus.NOT_FOUND, b"no such thing here"

    def _pack(self, pack_id: str, wanted: str) -> tuple[HTTPStatus, bytes]:
        content = self.repository.store.pack_path(pack_id).read_bytes()
        found = RANGE.fullmatch(wanted)
        if found is None:
            return HTTPStatus.OK, content
        return HTTPStatus.PARTIAL_CONTENT, content[int(found[1]) : int(found[2]) + 1]

    def size(self, path: str) -> int:
        """Of a whole pack, for Content-Range."""
        pack_id = path.rpartition("/")[2].removesuffix(".pack")
        return self.repository.store.size(pack_id)


class _Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


def _handler(server: ImageServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self._left():
                return
            path, wanted = urlsplit(self.path).path, self.headers.get("Range", "")
            is_open = path == "/v1/order" or self._is_known()
            answer = server.answer(path, wanted) if is_open else (HTTPStatus.FORBIDDEN, b"who?")
            self._send(path, wanted, *answer)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self._left():
                return
            if not self._is_known():
                self._send("", "", HTTPStatus.FORBIDDEN, b"who?")
                return
            server.events.append(msgspec.json.decode(body, type=NodeEvent))
            self._send("", "", HTTPStatus.NO_CONTENT, b"")

        def _is_known(self) -> bool:
            return self.headers.get("Authorization") == f"Bearer {server.order.token}"

        def _left(self) -> bool:
            if not server.is_away():
                return False
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return True

        def _send(self, path: str, wanted: str, status: HTTPStatus, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if status == HTTPStatus.PARTIAL_CONTENT:
                span = wanted.removeprefix("bytes=")
                self.send_header("Content-Range", f"bytes {span}/{server.size(path)}")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    return Handler
