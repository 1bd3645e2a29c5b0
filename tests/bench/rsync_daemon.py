"""rsync with compression from a daemon on loopback: it sends what changed inside of files."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from pathlib import Path

from haoscar_pxe.command import run
from tests.bench.measure import BenchError

START_S = 10.0
LONGEST_S = 600.0
SUM = re.compile(r"sent ([0-9,]+) bytes +received ([0-9,]+) bytes")


class RsyncDaemon:
    """Serves a tree while the block runs; the copy in home is what a receiver holds."""

    def __init__(self, home: Path, tree: Path) -> None:
        self._copy = home / "copy"
        self._configuration = home / "rsyncd.conf"
        self._configuration.write_text(
            f"use chroot = no\nuid = root\ngid = root\n[tree]\npath = {tree}\nread only = yes\n"
        )
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = int(free.getsockname()[1])

    def __enter__(self) -> RsyncDaemon:
        argv = ["rsync", "--daemon", "--no-detach", "--address=127.0.0.1", f"--port={self._port}"]
        self._daemon = subprocess.Popen([*argv, f"--config={self._configuration}"])
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self._port), 1).close()
                return self
            except ConnectionRefusedError:
                time.sleep(0.05)
        self.__exit__()
        raise BenchError("the rsync daemon does not listen")

    def __exit__(self, *_: object) -> None:
        self._daemon.terminate()
        self._daemon.wait()

    def receive(self) -> int:
        """Bring the copy up to date; bytes both ways, as rsync counts them."""
        argv = ["rsync", "-aHAXSz", "--delete", "--numeric-ids", "-v"]
        url = f"rsync://127.0.0.1:{self._port}/tree/"
        said = run([*argv, url, f"{self._copy}/"], timeout_s=LONGEST_S).text
        found = SUM.search(said)
        if found is None:
            raise BenchError(f"rsync did not say what it sent: {said[-300:]}")
        return sum(int(number.replace(",", "")) for number in found.groups())
