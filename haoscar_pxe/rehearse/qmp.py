"""QMP, the control socket of a running QEMU: enough to look at a machine and to stop it.

Source: docs/interop/qmp-spec.rst of QEMU: one JSON object a line; a greeting, then
`qmp_capabilities`; a command is answered by `return` or `error`, with events in between.
"""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType

import msgspec

from haoscar_pxe.errors import RehearsalError

ANSWER_WITHIN_S = 10.0


class Failure(msgspec.Struct, frozen=True):
    """QEMU's reason for not doing it."""

    desc: str = ""


class Answer(msgspec.Struct, frozen=True):
    """One line from QEMU: an answer if `result` or `error` is there, an event otherwise."""

    result: dict[str, object] | list[object] | None = msgspec.field(name="return", default=None)
    error: Failure | None = None


class Monitor:
    """A connection to one machine's QMP socket; use as a context manager.

    Raises RehearsalError if nobody answers, or QEMU refuses a command.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(ANSWER_WITHIN_S)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise RehearsalError(f"the virtual machine at {path} does not answer") from error
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> Monitor:
        self._lines.readline()  # the greeting
        self.execute("qmp_capabilities")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.close()
        self._socket.close()

    def execute(self, command: str, **arguments: str | int) -> None:
        """Do one command and wait until QEMU says it is done."""
        request = msgspec.json.encode({"execute": command, "arguments": arguments})
        try:
            self._socket.sendall(request + b"\n")
            answer = self._answer()
        except OSError as error:
            raise RehearsalError(f"QEMU at {self._path} stopped in '{command}'") from error
        if answer.error is not None:
            raise RehearsalError(f"QEMU at {self._path} refuses '{command}': {answer.error.desc}")

    def _answer(self) -> Answer:
        for line in self._lines:
            answer = msgspec.json.decode(line, type=Answer)
            if answer.result is not None or answer.error is not None:
                return answer
        raise ConnectionResetError("closed")
