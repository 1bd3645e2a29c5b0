"""The part "tftp": one client, a hundred, loss on the way, a thousand; against three C daemons.

No super-packets pass the veth pair (see Link.cut_on_the_way), which each run proves by counting the
frames that arrive. atftpd is the only peer with windows (RFC 7440); the others fall back to none.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from tests.bench.measure import BenchError
from tests.bench.serving.daemons import (
    TOP,
    Daemon,
    folder_server,
    libraries,
    peak_bytes,
    running,
    unpacked,
)
from tests.bench.serving.rates import Rates
from tests.bench.serving.tftp_load import Load
from tests.bench.targets import MB, OURS
from tests.wire.namespaces import SERVER_ADDRESS, Link, Namespace, link

PART: Final = "tftp"
FILENAME: Final = "kernel"
FILE_BYTES: Final = 30 * MB
IP: Final = SERVER_ADDRESS.split("/")[0]
RUN_S: Final = 150.0
MOST_CLIENTS: Final = 1000
FRAME_BYTES: Final = 1514


@dataclass(frozen=True, slots=True)
class Scene:
    """clients read one file each. names: of the daemons that are measured."""

    what: str
    clients: int
    blksize: int
    windowsize: int
    names: tuple[str, ...]
    loss_per_cent: int = 0
    limit_s: float = RUN_S


WINDOWS: Final = (OURS, "atftpd", "dnsmasq")
EVERYBODY: Final = (OURS, "atftpd", "dnsmasq", "tftpd-hpa")
ONE: Final = Scene("MB/s, 1 client, window 16", 1, 1428, 16, EVERYBODY)
HUNDRED: Final = Scene("MB/s, 100 clients, window 16", 100, 1428, 16, WINDOWS)
OVMF: Final = Scene("MB/s, 100 clients, window 4", 100, 1468, 4, WINDOWS)
OLD: Final = Scene("MB/s, 100 clients, no window", 100, 1428, 1, EVERYBODY)
COMPARED: Final = (ONE, HUNDRED, OVMF, OLD)
LOSS: Final = (
    Scene("MB/s, 1 client, window 16, 1 % loss", 1, 1428, 16, (OURS,), 1),
    Scene("MB/s, 1 client, no window, 1 % loss", 1, 1428, 1, (OURS,), 1),
    Scene("s, 100 clients, window 16, 1 % loss", 100, 1428, 16, (OURS,), 1),
    Scene("s, 100 clients, no window, 1 % loss", 100, 1428, 1, (OURS,), 1),
)
CROWD: Final = Scene("MB of memory, 1000 clients", MOST_CLIENTS, 1428, 4, (OURS,), 0, 120.0)


def measure_tftp(rates: Rates, folder: Path, rounds: int) -> None:
    """Measure and judge; folder is this part's own."""
    served = folder / "served"
    served.mkdir()
    (served / FILENAME).write_bytes(random.Random(1).randbytes(FILE_BYTES))
    for _ in range(rounds):
        for scene in (*COMPARED, *LOSS):
            for name in scene.names:
                _note(rates, scene, name, folder)
    _note(rates, CROWD, OURS, folder)
    _judge(rates)


def _judge(rates: Rates) -> None:
    for scene, factor in ((ONE, 3.0), (HUNDRED, 3.0), (OVMF, 1.5)):
        rates.at_least(PART, scene.what, {rates.fastest(PART, scene.what): factor})
    rates.at_least(PART, OLD.what, {"tftpd-hpa": 1.6, "dnsmasq": 0.85})
    for scene, limit in zip(LOSS, (20.0, 2.5, 12.0, 25.0), strict=True):
        rates.limit(PART, scene.what, limit, is_rate=scene.clients == 1)
    rates.limit(PART, CROWD.what, 150.0)


def _note(rates: Rates, scene: Scene, name: str, folder: Path) -> None:
    with link() as made:
        made.cut_on_the_way()
        if scene.loss_per_cent:
            made.lose(scene.loss_per_cent)
        with running(
            made.server, daemon(name, made.server, folder / "served"), folder / name
        ) as pid:
            result = load(made, scene, folder / "served" / FILENAME)
            memory = peak_bytes(pid)
    done = f"{result.complete} of {scene.clients}"
    remark = f"{done}, {result.seconds:.2f} s, {memory / MB:.0f} MB"
    if result.complete < scene.clients and name == OURS:
        raise BenchError(f"{scene.what}: {done} complete; {result.wrong[:3]}")
    value = result.bytes / MB / result.seconds if scene.what.startswith("MB/s") else result.seconds
    rates.note(PART, scene.what, name, memory / MB if scene is CROWD else value, remark)


def daemon(name: str, namespace: Namespace, served: Path) -> Daemon:
    """How each is started; none may fork away, and each may have as many clients as there are."""
    match name:
        case "atftpd":
            program = [unpacked("usr/sbin/atftpd"), "--daemon", "--no-fork", "--user", "root.root"]
            most = [
                "--maxthread",
                str(MOST_CLIENTS),
                "--bind-address",
                IP,
                "--logfile",
                "/dev/null",
            ]
            return Daemon(name, [*program, *most, str(served)], (69,), libraries())
        case "tftpd-hpa":
            program = [unpacked("usr/sbin/in.tftpd"), "--foreground", "--user", "root", "--secure"]
            return Daemon(
                name, [*program, "--address", f"{IP}:69", str(served)], (69,), libraries()
            )
        case "dnsmasq":
            program = ["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root", "--port=0"]
            tftp = ["--enable-tftp", f"--tftp-root={served}", f"--tftp-max={MOST_CLIENTS}"]
            return Daemon(name, [*program, *tftp], (69,))
        case _:
            return folder_server(namespace, SERVER_ADDRESS, served)


def load(made: Link, scene: Scene, copy: Path) -> Load:
    """Let the clients read. Raises BenchError if messages pass that no wire would carry."""
    before = _received(made.client)
    numbers = (scene.clients, scene.blksize, scene.windowsize, scene.limit_s)
    argv = [sys.executable, "-m", "tests.bench.serving.tftp_load", IP, FILENAME, str(copy)]
    environment = ["env", f"PYTHONPATH={TOP}"]
    ran = made.client.run(
        *environment, *argv, *map(str, numbers), timeout_s=scene.limit_s + 30
    ).stdout
    result = msgspec.json.decode(ran, type=Load)
    frames, size = (now - then for now, then in zip(_received(made.client), before, strict=True))
    if size > frames * FRAME_BYTES:
        raise BenchError(f"{frames} frames of {size} bytes: messages came that no wire would carry")
    return result


def _received(namespace: Namespace) -> tuple[int, int]:
    """Frames and bytes that its interface received."""
    link_of = ["ip", "-s", "-j", "link", "show", namespace.interface]
    counters = msgspec.json.decode(namespace.run(*link_of).stdout)[0]["stats64"]["rx"]
    return int(counters["packets"]), int(counters["bytes"])
