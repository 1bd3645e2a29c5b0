"""Fixtures for tests that speak to other people's programs in network namespaces."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.needed import need
from tests.wire.namespaces import CLIENT_ADDRESS, CLIENT_MAC, SERVER_ADDRESS, Link, link

STOP_S = 15
BIG_BYTES = 34_000_000
"""More than 65,535 blocks of 512 bytes, so that block numbers wrap."""


@dataclass(frozen=True, slots=True)
class BootServer:
    """A server that runs in the link's server namespace. folder: what it serves."""

    link: Link
    folder: Path
    log: Path
    process: subprocess.Popen[bytes]

    ip = SERVER_ADDRESS.split("/")[0]


@pytest.fixture(scope="session")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to serve: "big", "small", "text"; the same for all tests, none writes there."""
    folder = tmp_path_factory.mktemp("content")
    chance = random.Random(7)
    (folder / "big").write_bytes(chance.randbytes(BIG_BYTES))
    (folder / "small").write_bytes(chance.randbytes(90_000))
    (folder / "text").write_bytes(b"one\ntwo\nthree\r\n")
    return folder


@pytest.fixture
def wire() -> Iterator[Link]:
    """Two namespaces on one wire, both with addresses."""
    need("ip")
    with link() as made:
        yield made


@pytest.fixture
def bare_wire() -> Iterator[Link]:
    """The same, but the client has no address yet."""
    need("ip")
    with link(client_address=None) as made:
        yield made


@pytest.fixture
def boot_server(wire: Link, content: Path, tmp_path: Path) -> Iterator[BootServer]:
    """A fresh server on the wire; it must stop cleanly when the test is over."""
    yield from _serve(wire, content, tmp_path)


@pytest.fixture
def dhcp_server(bare_wire: Link, content: Path, tmp_path: Path) -> Iterator[BootServer]:
    """The same for a client that has no address yet."""
    yield from _serve(bare_wire, content, tmp_path)


@pytest.fixture
def router_server(wire: Link, content: Path, tmp_path: Path) -> Iterator[BootServer]:
    """The same, and it answers IPv6 router solicitations."""
    yield from _serve(wire, content, tmp_path, "router")


@pytest.fixture
def proxy_server(wire: Link, content: Path, tmp_path: Path) -> Iterator[BootServer]:
    """The same, and it leaves addresses to another server."""
    yield from _serve(wire, content, tmp_path, "proxy")


def _serve(made: Link, folder: Path, scratch: Path, *more: str) -> Iterator[BootServer]:
    lease = f"{CLIENT_MAC}={CLIENT_ADDRESS}"
    arguments = [made.server.interface, SERVER_ADDRESS, str(folder), lease, *more]
    log = scratch / "server.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            made.server.argv([sys.executable, "-m", "tests.wire.folder_server", *arguments]),
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=Path(__file__).parents[2],
        )
    assert process.stdout is not None
    with process, process.stdout:
        if not process.stdout.readline():
            pytest.fail(f"the server did not start:\n{log.read_text()}")
        try:
            yield BootServer(made, folder, log, process)
            process.terminate()
            assert process.wait(STOP_S) == 0, log.read_text()[-2000:]
        finally:
            process.kill()
