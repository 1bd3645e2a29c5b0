"""A monitor's socket."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from haoscar_pxe.errors import FailoverError
from haoscar_pxe.monitor.talk import Asked, ask, listen


async def answer(asked: Asked) -> object:
    """Says what was asked, or refuses."""
    if asked.do == "refuse":
        raise FailoverError("not now", hint="later")
    return {"do": asked.do, "reason": asked.reason}


async def test_a_question_is_answered_and_a_refusal_comes_with_its_hint(tmp_path: Path) -> None:
    server = await listen(tmp_path, answer)
    async with server:
        said = await asyncio.to_thread(ask, tmp_path, "status", "why not")
        assert said == {"do": "status", "reason": "why not"}
        with pytest.raises(FailoverError, match="not now") as caught:
            await asyncio.to_thread(ask, tmp_path, "refuse")
        assert caught.value.hint == "later"


@pytest.mark.parametrize(
    "line", [b"\n", b"nonsense\n", b'{"do": 5}\n', b"x" * 200_000 + b"\n", b""]
)
async def test_what_is_no_question_is_refused_and_the_next_one_answered(
    tmp_path: Path, line: bytes
) -> None:
    server = await listen(tmp_path, answer)
    async with server:

        def say() -> bytes:
            with socket.socket(socket.AF_UNIX) as asking:
                asking.connect(str(tmp_path / "monitor.sock"))
                asking.sendall(line)
                asking.shutdown(socket.SHUT_WR)
                return asking.recv(1000)

        assert b"not understood" in await asyncio.to_thread(say)
        assert await asyncio.to_thread(ask, tmp_path, "status")


async def test_a_second_monitor_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    server = await listen(tmp_path, answer)
    async with server:
        with pytest.raises(FailoverError, match="runs already"):
            await listen(tmp_path, answer)


async def test_a_socket_that_a_killed_monitor_left_is_no_hindrance(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "monitor.sock"))
    left.close()
    server = await listen(tmp_path, answer)
    server.close()


def test_without_a_monitor_the_hint_says_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(FailoverError, match="no monitor answers") as caught:
        ask(tmp_path, "status")
    assert "haoscar-pxe monitor" in caught.value.hint
