"""The node's side of HTTP, against a real server on loopback that misbehaves as told."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from haoscar_pxe.errors import InstallError
from haoscar_pxe.install.server import Server, ServerGoneError, ServerRefusedError, UnheardError
from tests.unit.install.machines import FastClock, order

MAC = "52:54:00:12:34:56"


class Scripted:
    """Gives its answers one after another, the last one for ever; keeps what was asked."""

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, str]] = []
        script = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                told = (self.command, self.path, self.headers.get("Authorization") or "")
                script.asked.append(told)
                last = len(script.answers) == 1
                status, body = script.answers[0] if last else script.answers.pop(0)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - the standard library's name

            def log_message(self, format: str, *args: Any) -> None:
                """Nobody reads it."""

        self.http = http.server.HTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}"


@pytest.fixture
def script() -> Iterator[Scripted]:
    scripted = Scripted((200, b""))
    thread = threading.Thread(target=scripted.http.serve_forever, args=(0.02,))
    thread.start()
    yield scripted
    scripted.http.shutdown()
    scripted.http.server_close()
    thread.join()


@contextmanager
def answering(*answers: bytes) -> Iterator[str]:
    """A server that gives one connection after the other exactly these bytes; its base URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for answer in answers:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(10_000)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def server(script: Scripted, waits: list[str] | None = None) -> Server:
    return Server(script.url, (waits if waits is not None else []).append, FastClock())


def test_an_order_is_fetched_for_this_mac(script: Scripted) -> None:
    script.answers = [(200, msgspec.json.encode(order()))]
    assert server(script).order(MAC, 10) == order()
    assert script.asked == [("GET", "/v1/order?mac=52%3A54%3A00%3A12%3A34%3A56", "")]


@pytest.mark.parametrize("status", [403, 404, 409])
def test_a_refusal_is_obeyed_at_once_and_keeps_the_servers_words(
    script: Scripted, status: int
) -> None:
    script.answers = [(status, b"standby1 is not armed\n")]
    with pytest.raises(ServerRefusedError, match="standby1 is not armed") as refused:
        server(script).order(MAC, 10)
    assert refused.value.status == status
    assert len(script.asked) == 1


def test_a_server_in_trouble_is_asked_again_until_it_answers(script: Scripted) -> None:
    script.answers = [(503, b"starting"), (500, b""), (200, msgspec.json.encode(order()))]
    waits: list[str] = []
    assert server(script, waits).order(MAC, 60) == order()
    assert len(script.asked) == 3
    assert len(waits) == 1
    assert "503 starting" in waits[0]


def test_an_answer_broken_off_anywhere_is_asked_for_again() -> None:
    """An order or manifest that is cut short is never taken for the whole of it."""
    body = msgspec.json.encode(order())
    whole = b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    ends = [*range(80), len(whole) - 1]
    with answering(*(each for end in ends for each in (whole[:end], whole))) as url:
        for _ in ends:
            assert Server(url, lambda reason: None, FastClock()).order(MAC, 60) == order()


def test_an_answer_without_content_is_whole() -> None:
    with answering(b"HTTP/1.1 204 No Content\r\n\r\n") as url:
        Server(url, lambda reason: None).send_event("t", b"{}")


def test_patience_ends(script: Scripted) -> None:
    script.answers = [(503, b"starting")]
    with pytest.raises(ServerGoneError, match="did not answer for 60 s: 503 starting"):
        server(script).order(MAC, 60)
    assert 5 < len(script.asked) < 20


def test_a_server_that_is_not_there_is_waited_for(script: Scripted) -> None:
    nobody = Server("http://127.0.0.1:1", lambda reason: None, FastClock())
    with pytest.raises(ServerGoneError, match=r"127\.0\.0\.1:1 did not answer"):
        nobody.order(MAC, 60)


NO_UTF_8 = b'{"node": "\xff"}'
TOO_DEEP = b'{"unknown": ' + b"[" * 100_000


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b'{"node": 3}', b"\xff", NO_UTF_8, TOO_DEEP]
)
def test_what_is_no_order_is_refused(script: Scripted, body: bytes) -> None:
    script.answers = [(200, body)]
    with pytest.raises(InstallError, match="order cannot be read"):
        server(script).order(MAC, 10)


def test_manifest_and_packs_are_asked_for_with_the_orders_token(script: Scripted) -> None:
    script.answers = [(200, b"sealed"), (200, b'["aa", "bb"]')]
    assert server(script).manifest(order()) == b"sealed"
    assert server(script).pack_ids(order()) == ["aa", "bb"]
    assert script.asked == [
        ("GET", "/images/primary/3.manifest", "Bearer the token"),
        ("GET", "/images/primary/3.packs", "Bearer the token"),
    ]


@pytest.mark.parametrize("body", [b"{}", b'["\xff"]', b"[" * 100_000])
def test_what_is_no_list_of_packs_is_refused(script: Scripted, body: bytes) -> None:
    script.answers = [(200, body)]
    with pytest.raises(InstallError, match="list of packs cannot be read"):
        server(script).pack_ids(order())


def test_an_event_is_one_attempt(script: Scripted) -> None:
    script.answers = [(503, b""), (409, b"it is installed already")]
    with pytest.raises(UnheardError):
        server(script).send_event("t", b"{}")
    with pytest.raises(ServerRefusedError, match="installed already"):
        server(script).send_event("t", b"{}")
    assert script.asked == [("POST", "/v1/events", "Bearer t")] * 2


def test_the_other_server_is_asked_where_the_first_does_not_answer(script: Scripted) -> None:
    script.answers = [(200, msgspec.json.encode(order()))]
    waits: list[str] = []
    node = Server("http://127.0.0.1:1", waits.append, FastClock(), other_url=script.url)
    assert node.order(MAC, 10) == order()
    node.send_event("token", b"{}")
    assert [path for _, path, _ in script.asked][1] == "/v1/events"
    assert waits == []


def test_what_the_other_server_refuses_is_waited_for_from_the_first(script: Scripted) -> None:
    script.answers = [(404, b"no node has the MAC")]
    node = Server("http://127.0.0.1:1", lambda _: None, FastClock(), other_url=script.url)
    with pytest.raises(ServerGoneError):
        node.order(MAC, 10)
    script.answers = [(200, b"")]
    gone = Server(script.url, lambda _: None, FastClock(), other_url="http://127.0.0.1:1")
    script.answers = [(404, b"no node has the MAC")]
    with pytest.raises(ServerRefusedError):
        gone.order(MAC, 10)
