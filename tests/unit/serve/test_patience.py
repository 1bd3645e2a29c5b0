"""Clients that take their time over HTTP, with a server whose patience is short."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from tests.unit.serve.fixed_answers import TOKEN, FixedAnswers
from tests.unit.serve.loopback import OPTIONS, Serving, serving

PATIENCE_S = 0.8
ENDS_S = 6.0
EVENT = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"


@pytest.fixture
def answers(tmp_path: Path) -> FixedAnswers:
    file = tmp_path / "large"
    file.write_bytes(bytes(24 << 20))
    return FixedAnswers(boot={"primary/1/vmlinuz": file})


@asynccontextmanager
async def hasty(answers: FixedAnswers) -> AsyncIterator[Serving]:
    async with serving(answers, replace(OPTIONS, patience_s=PATIENCE_S)) as server:
        yield server


async def counted(server: Serving) -> dict[str, int]:
    async with aiohttp.ClientSession(server.url) as client, client.get("/health") as response:
        found: dict[str, int] = (await response.json())["counters"]
        return found


async def dribble(writer: asyncio.StreamWriter, piece: bytes) -> None:
    """A few bytes more, again and again, until the other side closes."""
    with suppress(ConnectionError):
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("first", "piece"),
    [("", b""), ("GET /health HTTP/1.1\r\nHost: x\r\n", b"A: b\r\n")],
    ids=["silent", "a header now and then"],
)
async def test_who_asks_for_nothing_is_let_go(
    answers: FixedAnswers, first: str, piece: bytes
) -> None:
    async with hasty(answers) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.http_port)
        writer.write(first.encode())
        dribbling = asyncio.create_task(dribble(writer, piece))
        with suppress(ConnectionError):
            async with asyncio.timeout(ENDS_S):
                await reader.read()
        dribbling.cancel()
        writer.close()
        assert (await counted(server))["http too slow"] == 1


async def test_a_body_that_never_ends_is_refused_and_not_recorded(answers: FixedAnswers) -> None:
    async with hasty(answers) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.http_port)
        writer.write(f"{EVENT}Content-Length: 1000\r\n\r\n".encode())
        dribbling = asyncio.create_task(dribble(writer, b"{"))
        async with asyncio.timeout(ENDS_S):
            assert b" 408 " in await reader.readline()
        dribbling.cancel()
        writer.close()
        assert (await counted(server))["http too slow"] == 1
    assert answers.events == []


async def test_who_takes_nothing_of_a_file_is_let_go(answers: FixedAnswers) -> None:
    async with hasty(answers) as server:
        with ask_for_the_file(server) as sock:
            await asyncio.sleep(ENDS_S)
            assert await received_bytes(sock, pause_s=0) < 24 << 20
    assert [each.kind for _, each in answers.happenings] == ["broke off"]


async def test_who_takes_a_file_slowly_has_all_of_it(answers: FixedAnswers) -> None:
    async with hasty(answers) as server:
        with ask_for_the_file(server) as sock:
            assert await received_bytes(sock, pause_s=0.02) > 24 << 20
    assert [each.kind for _, each in answers.happenings] == ["fetched"]


def ask_for_the_file(server: Serving) -> socket.socket:
    """A connection with a small receive buffer, on which nothing was read yet."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    sock.connect(("127.0.0.1", server.http_port))
    sock.setblocking(False)
    sock.sendall(b"GET /boot/primary/1/vmlinuz HTTP/1.0\r\nHost: x\r\n\r\n")
    return sock


async def received_bytes(sock: socket.socket, pause_s: float) -> int:
    """All that comes until the end, with a pause after each 256 KiB."""
    loop = asyncio.get_running_loop()
    received = 0
    with suppress(ConnectionError):
        while data := await loop.sock_recv(sock, 256 << 10):
            received += len(data)
            await asyncio.sleep(pause_s)
    return received
