"""Two registries that hear of each other over a real socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from msgspec.structs import replace

from haoscar_pxe.boot.twin import Listener, Teller
from haoscar_pxe.nodes.declare import interface, new_node
from haoscar_pxe.nodes.node import Node, NodeState
from haoscar_pxe.nodes.registry import Registry


def node(number: int) -> Node:
    lan = (interface(f"52:54:00:00:00:{number:02x}", f"10.77.0.{number}/24"),)
    return new_node(f"n{number}", role="client", image="primary", interfaces=lan)


class Wire:
    """A server whose answers are a teller's, or the bytes that a test gives."""

    def __init__(self, teller: Teller) -> None:
        self.teller = teller
        self.body: bytes | None = None
        self.sent: list[int] = []
        wire = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                told = teller.tell()
                body = told.body if wire.body is None else wire.body
                assert self.headers["Authorization"] == "Bearer token"
                status = 304 if self.headers["If-None-Match"] == told.tag else 200
                wire.sent.append(status)
                self.send_response(status)
                self.send_header("ETag", told.tag)
                self.send_header("Content-Length", str(len(body) if status == 200 else 0))
                self.end_headers()
                if status == 200:
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def first(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "first.sqlite")


@pytest.fixture
def second(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "second.sqlite")


@pytest.fixture
def wire(first: Registry) -> Iterator[Wire]:
    made = Wire(Teller(first, is_second=False))
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_the_second_has_the_firsts_nodes_and_is_sent_them_once(
    first: Registry, second: Registry, wire: Wire
) -> None:
    first.add(node(20))
    first.add(node(21))
    listener = Listener(second, wire.url, "token", is_second=True)
    assert all(listener.listen() for _ in range(4))
    assert wire.sent[0] == 200
    assert wire.sent[-1] == 304
    assert [each.name for each in second.nodes()] == ["n20", "n21"]
    assert second.by_token(first.get("n20").order_token) is not None
    first.remove("n20")
    assert listener.listen()
    assert [each.name for each in second.nodes()] == ["n21"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"is_second":false}', b"\xff" * 9])
def test_an_answer_that_is_none_changes_nothing(second: Registry, wire: Wire, body: bytes) -> None:
    second.add(node(20))
    wire.body = body
    assert not Listener(second, wire.url, "token", is_second=True).listen()
    assert [each.name for each in second.nodes()] == ["n20"]


def test_two_first_servers_take_nothing_of_each_other(
    first: Registry, second: Registry, wire: Wire
) -> None:
    first.add(replace(node(20), state=NodeState.INSTALLED))
    assert not Listener(second, wire.url, "token", is_second=False).listen()


def test_a_server_that_is_dead_is_said_once(
    second: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Listener(second, "http://127.0.0.1:1", "token", is_second=True)
    assert not listener.listen()
    assert not listener.listen()
    assert len([each for each in caplog.records if "going on" in each.message]) == 1


def test_what_was_recorded_is_known_to_the_other_before_it_is_acknowledged(
    first: Registry, second: Registry, wire: Wire
) -> None:
    first.add(node(20))
    listener = Listener(second, wire.url, "token", is_second=True)
    listener.listen()
    with listener.listening(0.02):
        first.change("n20", lambda old: replace(old, state=NodeState.INSTALLED))
        wire.teller.wait_until_known()
        assert second.get("n20").state is NodeState.INSTALLED


def test_a_server_that_does_not_ask_is_not_waited_for(wire: Wire) -> None:
    began = time.monotonic()
    wire.teller.wait_until_known()
    assert time.monotonic() - began < 0.5


def test_what_could_not_be_taken_is_asked_for_again(
    first: Registry, second: Registry, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    first.add(node(20))
    listener = Listener(second, wire.url, "token", is_second=True)
    with monkeypatch.context() as broken:
        broken.setattr(second, "rewrite", lambda how: 1 / 0)
        assert not listener.listen()
    assert listener.listen()
    assert [each.name for each in second.nodes()] == ["n20"]
