"""The boot server of a rehearsal: the real `haoscar-pxe serve`, as a process in the namespace.

It reads the site's own repository and keys, and writes only to the rehearsal's folder:

    haoscar-pxe.toml    its configuration, written here
    state/              registry (new each time) and boot files made from images (kept)
    serve.log           what it said

It says that it is ready as it does to systemd (sd_notify(3)): READY=1 to NOTIFY_SOCKET.
"""

from __future__ import annotations

import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from haoscar_pxe import command
from haoscar_pxe.config import FILE_NAME, Config
from haoscar_pxe.errors import RehearsalError
from haoscar_pxe.rehearse.network import BRIDGE, Network

READY_WITHIN_S: Final = 60.0
STOPS_WITHIN_S: Final = 15.0
LAST_LINES: Final = 30
PROGRAM: Final = "haoscar-pxe"


def rehearsal_config(site: Config, network: Network, folder: Path) -> Config:
    """The site's configuration, but inside the namespace and with a state of its own."""
    serve = replace(
        site.serve,
        interface=BRIDGE,
        address=str(network.server),
        dhcp=True,
        proxy_dhcp=False,
        tftp=True,
        pool=(),
        router_advertisement=True,
    )
    paths = replace(site.paths, state=str(folder / "state"))
    install = replace(site.install, after="reboot")
    return replace(site, serve=serve, paths=paths, install=install)


class Server:
    """`haoscar-pxe serve`, started and stopped at will; as a context manager stopped at the end."""

    def __init__(self, config: Config, network: Network, folder: Path) -> None:
        self.log = folder / "serve.log"
        self._config_file = folder / FILE_NAME
        self._network = network
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._config_file.write_text(config.render())
        self.log.write_bytes(b"")

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it is ready. Raises RehearsalError with its last words."""
        # Not in the work folder, whose name may be too long for a socket (108 bytes).
        with (
            tempfile.TemporaryDirectory(prefix="hx-") as folder,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready,
        ):
            path = Path(folder, "notify")
            ready.bind(str(path))
            argv = ["env", f"NOTIFY_SOCKET={path}", program()]
            argv += ["--config", str(self._config_file), "serve"]
            self._process = command.start(self._network.command(argv), self.log)
            try:
                self._wait_ready(ready)
            except BaseException:
                self.stop()
                raise

    def _wait_ready(self, ready: socket.socket) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while self.is_running and time.monotonic() < deadline:
            if select.select([ready], [], [], 0.2)[0] and b"READY=1" in ready.recv(4096):
                return
        what = f"is not ready after {READY_WITHIN_S:g} s" if self.is_running else "ended at once"
        raise RehearsalError(
            f"the boot server {what}; it said:\n{self.last_lines()}", hint=f"see {self.log}"
        )

    def stop(self) -> None:
        """Ask it to end; kill it if it does not."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End it without a word, as a power cut of the image server would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def last_lines(self) -> str:
        """The end of its log, indented."""
        lines = self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        return "\n".join(f"    {line}" for line in lines)


def program() -> str:
    """The command that belongs to this very installation, before any other on PATH."""
    beside = Path(sys.executable).with_name(PROGRAM)
    return str(beside) if beside.exists() else shutil.which(PROGRAM) or PROGRAM
