"""Starts one boot server or one daemon of other people's in a namespace, and always ends it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.bench.measure import BenchError
from tests.wire.namespaces import Namespace

TOP: Final = Path(__file__).parents[3]
PEERS: Final = TOP / ".peers"
"""Where `./run bench` unpacks the Debian packages that are not to be installed."""
LIBRARIES: Final = "usr/lib/x86_64-linux-gnu"
START_S: Final = 15.0
STOP_S: Final = 10.0
LOOK_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Daemon:
    """What to start. ports: UDP or TCP ports that are open once it serves."""

    name: str
    argv: Sequence[str]
    ports: Sequence[int]
    env: Mapping[str, str] = field(default_factory=dict)


def unpacked(program: str) -> str:
    """The path of a program below .peers/. Raises BenchError."""
    path = PEERS / program
    if not path.exists():
        raise BenchError(f"{path} is not there: './run bench' unpacks it")
    return str(path)


def libraries() -> dict[str, str]:
    """The environment in which programs below .peers/ find their libraries."""
    return {"LD_LIBRARY_PATH": str(PEERS / LIBRARIES)}


def folder_server(namespace: Namespace, address: str, folder: Path, *more: str) -> Daemon:
    """Our server with the files of a folder, logging what the product logs."""
    module = [sys.executable, "-m", "tests.wire.folder_server", namespace.interface]
    return Daemon("haoscar-pxe", [*module, address, str(folder), "quiet", *more], (69, 8069))


@contextmanager
def running(namespace: Namespace, daemon: Daemon, log: Path) -> Iterator[int]:
    """Its process while the block runs. Raises BenchError if it does not come to serve."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            namespace.argv(daemon.argv),
            cwd=TOP,
            env={**os.environ, **daemon.env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _await(namespace, process, daemon, log)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
        namespace.kill_everything()
        process.wait()


def _await(
    namespace: Namespace, process: subprocess.Popen[bytes], daemon: Daemon, log: Path
) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        listening = namespace.run("ss", "-Hlntu").text.split()
        if all(any(word.endswith(f":{port}") for word in listening) for port in daemon.ports):
            return
        time.sleep(LOOK_S)
    said = log.read_bytes()[-2000:].decode("utf-8", "replace")
    raise BenchError(f"{daemon.name} does not serve: {' '.join(daemon.argv)}\n{said}")


def peak_bytes(pid: int) -> int:
    """The largest resident set that a process had: VmHWM of proc_pid_status(5)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise BenchError(f"process {pid} has no VmHWM")
