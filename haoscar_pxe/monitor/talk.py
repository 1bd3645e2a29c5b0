"""A running monitor answers on a socket of its state folder: one JSON line asked, one answered.

<state>/monitor.sock, 0600. Asked: {"do": NAME, "reason": TEXT}. Answered: {"ok": …} or
{"error": TEXT, "hint": TEXT}.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct

from haoscar_pxe.errors import FailoverError, HaoscarError

NAME: Final = "monitor.sock"
LONGEST_LINE: Final = 1 << 16
ASKING_S: Final = 120.0


class Asked(Struct, frozen=True):
    """What somebody wants of the monitor."""

    do: str
    reason: str = ""


Answer: TypeAlias = Callable[[Asked], Awaitable[object]]


async def listen(folder: Path, answer: Answer) -> asyncio.Server:
    """Answer until the server is closed. Raises FailoverError: a monitor is there already."""
    path = folder / NAME
    if path.exists():
        if _is_alive(path):
            raise FailoverError(f"a monitor runs already: {path}")
        path.unlink()
    server = await asyncio.start_unix_server(
        lambda reader, writer: _serve(reader, writer, answer), path, limit=LONGEST_LINE
    )
    path.chmod(0o600)
    return server


def ask(folder: Path, do: str, reason: str = "") -> Any:
    """Ask the monitor of this machine. Raises FailoverError: none runs, or it refuses."""
    path = folder / NAME
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(ASKING_S)
            asking.connect(str(path))
            asking.sendall(msgspec.json.encode(Asked(do, reason)) + b"\n")
            with asking.makefile("rb") as file:
                answered = msgspec.json.decode(file.readline())
    except (OSError, msgspec.MsgspecError) as error:
        raise FailoverError(
            f"no monitor answers at {path}: {error}",
            hint="'haoscar-pxe monitor' runs it, or systemctl start haoscar-pxe-monitor",
        ) from error
    if "error" in answered:
        raise FailoverError(answered["error"], hint=answered.get("hint", ""))
    return answered["ok"]


async def _serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer
) -> None:
    """One question; whatever it is, the monitor goes on."""
    try:
        asked = msgspec.json.decode(await reader.readline(), type=Asked)
        said: object = {"ok": await answer(asked)}
    except HaoscarError as error:
        said = {"error": str(error), "hint": error.hint}
    except (ValueError, msgspec.MsgspecError) as error:
        said = {"error": f"not understood: {error}"}
    with suppress(ConnectionError):
        writer.write(msgspec.json.encode(said) + b"\n")
        await writer.drain()
    writer.close()


def _is_alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        try:
            asking.connect(str(path))
        except OSError:
            return False
        return True
