"""QMP as its specification has it: greeting, capabilities, answers with events in between."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from haoscar_pxe.errors import RehearsalError
from haoscar_pxe.rehearse.qmp import Monitor

# From docs/interop/qmp-spec.rst.
GREETING = {"QMP": {"version": {"qemu": {"major": 7}, "package": ""}, "capabilities": []}}
EVENT = {"timestamp": {"seconds": 1258551470, "microseconds": 802384}, "event": "POWERDOWN"}
REFUSED = {"error": {"class": "CommandNotFound", "desc": "The command x has not been found"}}


class Qemu:
    """The other end of a QMP socket. asked: the commands it got."""

    def __init__(self, path: Path) -> None:
        self.asked: list[str] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rwb") as lines:
            self._say(lines, GREETING)
            for line in lines:
                command = json.loads(line)["execute"]
                self.asked.append(command)
                if command == "quit":
                    return
                self._say(lines, EVENT, REFUSED if command == "x" else {"return": {}})

    @staticmethod
    def _say(lines: object, *documents: object) -> None:
        for document in documents:
            lines.write(json.dumps(document).encode() + b"\r\n")  # type: ignore[attr-defined]
        lines.flush()  # type: ignore[attr-defined]

    def close(self) -> None:
        self.thread.join(10)
        self._listener.close()


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hx-") as folder:
        yield Path(folder, "qmp")


@pytest.fixture
def qemu(path: Path) -> Iterator[Qemu]:
    made = Qemu(path)
    yield made
    made.close()


def test_capabilities_come_first_and_events_are_passed_over(path: Path, qemu: Qemu) -> None:
    with Monitor(path) as monitor:
        monitor.execute("screendump", filename="/tmp/screen.ppm")
    assert qemu.asked == ["qmp_capabilities", "screendump"]


def test_a_refusal_is_told_in_qemus_words(path: Path, qemu: Qemu) -> None:
    with Monitor(path) as monitor, pytest.raises(RehearsalError, match="has not been found"):
        monitor.execute("x")


def test_a_machine_that_ends_is_told(path: Path, qemu: Qemu) -> None:
    with Monitor(path) as monitor, pytest.raises(RehearsalError, match="stopped in 'quit'"):
        monitor.execute("quit")


def test_nobody_there_is_told(path: Path) -> None:
    with pytest.raises(RehearsalError, match="does not answer"):
        Monitor(path)
