"""The monitor's end of its keeper: starts it, hears its reports, gives it orders."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import haoscar_pxe
from haoscar_pxe.monitor.reports import Orders, Report, Settings, pack, unpack

REPORT_BYTES: Final = 1 << 16
END_S: Final = 2.0


def python_argv() -> list[str]:
    """How this very Python is started: in an agent bundle by its own loader, with its libraries."""
    library = Path(haoscar_pxe.__file__).parent.parent.parent
    loaders = sorted(library.glob("ld-linux*.so*"))
    if not loaders:
        return [sys.executable]
    python = library.parent / "bin/python3"
    return [str(loaders[0]), "--library-path", str(library), str(python), "-I", "-S"]


class KeeperLink:
    """A keeper process. heard: called with each report; ended: once, when the process is gone."""

    def __init__(
        self, settings: Settings, heard: Callable[[Report], None], ended: Callable[[], None]
    ) -> None:
        self._heard = heard
        self._ended = ended
        self._own, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            self._process = subprocess.Popen(
                [*python_argv(), "-m", "haoscar_pxe.monitor", str(its.fileno())],
                pass_fds=[its.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._own.setblocking(False)
        self._own.send(pack(settings))
        asyncio.get_running_loop().add_reader(self._own, self._read)

    @property
    def pid(self) -> int:
        """Of the keeper process."""
        return self._process.pid

    def order(self, orders: Orders) -> None:
        """Say what is wanted. Orders that a frozen keeper does not read are lost; more follow."""
        with suppress(BlockingIOError, ConnectionError):
            self._own.send(pack(orders))

    def close(self) -> None:
        """End the keeper: it shuts its door first; one that does not answer is killed.

        A killed keeper's door shuts by itself.
        """
        asyncio.get_running_loop().remove_reader(self._own)
        self._own.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        try:
            datagram = self._own.recv(REPORT_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            datagram = b""
        if datagram:
            self._heard(unpack(Report, datagram))
        else:
            asyncio.get_running_loop().remove_reader(self._own)
            self._ended()
