"""The agent on a head that is captured over ssh: one request on standard input, then the tree.

Standard output belongs to the protocol; what hooks and tools print goes nowhere else but into
messages. When the connection goes away, or the agent is told to end, after-hooks still run.
"""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final

from haoscar_pxe import command
from haoscar_pxe.capture.files.reading import SystemClock
from haoscar_pxe.capture.files.secrets import Sealing
from haoscar_pxe.capture.files.taking import Subject, Taken, take
from haoscar_pxe.capture.hooks import quiesced
from haoscar_pxe.capture.remote.channel import Channel, CutOffError
from haoscar_pxe.capture.remote.head_tools import HeadTools
from haoscar_pxe.capture.remote.messages import (
    Ended,
    Failed,
    FromServer,
    Request,
)
from haoscar_pxe.capture.remote.sink import RemoteSink
from haoscar_pxe.command import Run
from haoscar_pxe.errors import HaoscarError, WireError
from haoscar_pxe.image.sealing import SealingKey

NICENESS: Final = 10
"""The head has other work to do."""
HOOK_WITHIN_S: Final = 3600.0
TOOL_WITHIN_S: Final = 300.0


def main(bundle: Path) -> int:
    """Answer one request; the exit status. bundle: the folder that this agent runs from."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    os.nice(NICENESS)
    # Hooks and tools may neither read nor write the protocol.
    incoming, outgoing = os.dup(0), os.dup(1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    channel: Channel[FromServer] = Channel(incoming, outgoing, FromServer)
    try:
        channel.greet()
        channel.send(_answer(channel, bundle))
    except CutOffError as error:
        os.write(2, f"{error}\n".encode())
        return error.exit_status
    return 0


def _answer(channel: Channel[FromServer], bundle: Path) -> Ended | Failed:
    try:
        return Ended(_take(channel, bundle))
    except CutOffError:
        raise
    except HaoscarError as error:
        return Failed(_sendable(str(error)), _sendable(error.hint))


def _take(channel: Channel[FromServer], bundle: Path) -> Taken:
    request = channel.receive()
    if not isinstance(request, Request):
        raise WireError("the image server began with an answer")
    sink = RemoteSink(channel)
    hook_run: Run = partial(command.run, timeout_s=HOOK_WITHIN_S)
    tools = HeadTools(bundle, partial(command.run, timeout_s=TOOL_WITHIN_S))
    subject = Subject(
        root=Path(os.fsdecode(request.root)),
        image=request.image,
        never=dict(request.never),
        sealing=Sealing(SealingKey(request.image, request.sealing_key), request.rules),
        layout=request.layout,
        live=request.live,
        wish=request.wish,
    )
    with quiesced(request.hooks, hook_run) as quiet:
        taken = take(subject, sink, sink, tools, SystemClock(), resume=quiet.resume)
    sink.finish()
    return taken


def _sendable(text: str) -> str:
    """Names that are no UTF-8 are in messages as surrogates, which cannot be sent."""
    return text.encode("utf-8", "backslashreplace").decode()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
