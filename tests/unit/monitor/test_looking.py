"""Looks at real servers and programs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from haoscar_pxe.config_failover import ServiceCheck
from haoscar_pxe.monitor.health import Result
from haoscar_pxe.monitor.looking import look


@pytest.fixture
def silent() -> Iterator[str]:
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def nobody() -> str:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


class Pages(BaseHTTPRequestHandler):
    """One page that is there, all others are not."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/well" else 500)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def pages() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_port_is_well_if_it_accepts_and_failed_if_it_refuses(silent: str, nobody: str) -> None:
    assert look(ServiceCheck("web", tcp=silent))[0] is Result.WELL
    result, seen = look(ServiceCheck("web", tcp=nobody))
    assert result is Result.FAILED
    assert "refused" in seen


def test_a_page_is_judged_by_its_status(pages: str) -> None:
    assert look(ServiceCheck("web", http=f"{pages}/well"))[0] is Result.WELL
    result, seen = look(ServiceCheck("web", http=f"{pages}/other"))
    assert result is Result.FAILED
    assert "status 500" in seen


def test_a_server_that_says_nothing_is_unknown_not_failed(silent: str) -> None:
    result, seen = look(ServiceCheck("web", http=f"http://{silent}/", timeout_s=0.2))
    assert result is Result.UNKNOWN
    assert seen == "no answer within 0.2 s"


@pytest.mark.parametrize(
    ("argv", "result"),
    [
        (("true",), Result.WELL),
        (("sh", "-c", "echo broken >&2; exit 3"), Result.FAILED),
        (("sleep", "5"), Result.UNKNOWN),
        (("/nonexistent/program",), Result.UNKNOWN),
    ],
)
def test_a_program_is_judged_by_its_exit_status(argv: tuple[str, ...], result: Result) -> None:
    found, seen = look(ServiceCheck("web", exec=argv, timeout_s=0.3))
    assert found is result
    assert ("broken" in seen) == ("sh" in argv)
