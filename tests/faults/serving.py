"""The real `haoscar-pxe serve` in a namespace, and what it uses: memory, descriptors, processor."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.wire.namespaces import Namespace

START_S: Final = 30.0
STOP_S: Final = 20.0
CHECKOUT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that runs. log: its standard error."""

    process: subprocess.Popen[bytes]
    log: Path

    def rss_bytes(self) -> int:
        """What it has in memory."""
        status = self._proc("status").read_text()
        found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
        assert found, status
        return int(found[1]) * 1024

    def descriptors(self) -> int:
        """How many it has open."""
        return len(os.listdir(self._proc("fd")))

    def processor_s(self) -> float:
        """Processor time until now."""
        fields = self._proc("stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def dropped(self) -> int:
        """Datagrams that the kernel dropped because a socket of the namespace was full."""
        rows = self._proc("net/udp").read_text().splitlines()[1:]
        return sum(int(row.split()[-1]) for row in rows)

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        self.process.terminate()
        return self.process.wait(STOP_S)

    def _proc(self, name: str) -> Path:
        return Path(f"/proc/{self.process.pid}/{name}")


@contextmanager
def serving(namespace: Namespace, config: Path, log: Path) -> Iterator[Serving]:
    """A server once it serves; killed at the end if it still runs then."""
    argv = [sys.executable, "-m", "haoscar_pxe.cli", "--config", str(config), "serve"]
    with log.open("wb") as said:
        process = subprocess.Popen(namespace.argv(argv), stderr=said, cwd=CHECKOUT)
    with process:
        try:
            _await(process, log)
            yield Serving(process, log)
        finally:
            process.kill()


def _await(process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while b"serving on" not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > until:
            raise AssertionError(log.read_text(errors="replace"))
        time.sleep(0.02)
