"""The part "http": 64 clients read files of 30 MB, and pieces of 64 KiB of a pack, beside nginx.

Ours asks for a token for each piece and says who got what; nginx does neither, and has one worker.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from tests.bench.measure import BenchError
from tests.bench.serving.daemons import TOP, Daemon, folder_server, peak_bytes, running, unpacked
from tests.bench.serving.http_load import Load
from tests.bench.serving.rates import Rates
from tests.bench.targets import MB, OURS
from tests.unit.serve.fixed_answers import TOKEN
from tests.wire.namespaces import SERVER_ADDRESS, Link, link

PART: Final = "http"
NGINX: Final = "nginx"
FILE: Final = "linux/kernel"
FILE_BYTES: Final = 30 * MB
CLIENTS: Final = 64
PORT: Final = 8069
IP: Final = SERVER_ADDRESS.split("/")[0]
RUN_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Scene:
    """path: of ours. piece_bytes: 0 for whole files. factor: of nginx's rate."""

    what: str
    path: str
    requests: int
    piece_bytes: int
    factor: float


FILES: Final = Scene("MB/s, 64 clients, files of 30 MB", f"/boot/{FILE}", 2 * CLIENTS, 0, 0.85)
PIECES: Final = Scene(
    "answers/s, 64 clients, pieces of 64 KiB", "/packs/kernel.pack", 20_000, 64 << 10, 1.0
)


def measure_http(rates: Rates, folder: Path, rounds: int) -> None:
    """Measure and judge; folder is this part's own."""
    served = folder / "served"
    (served / FILE).parent.mkdir(parents=True)
    (served / FILE).write_bytes(random.Random(2).randbytes(FILE_BYTES))
    for _ in range(rounds):
        for scene in (FILES, PIECES):
            for name in (OURS, NGINX):
                _note(rates, scene, name, folder)
    for scene in (FILES, PIECES):
        rates.at_least(PART, scene.what, {NGINX: scene.factor})


def _note(rates: Rates, scene: Scene, name: str, folder: Path) -> None:
    served = folder / "served"
    with link() as made:
        ours = folder_server(made.server, SERVER_ADDRESS, served)
        daemon = ours if name == OURS else _nginx(folder)
        with running(made.server, daemon, folder / "log") as pid:
            path = scene.path if name == OURS else f"/{FILE}"
            result = load(made, scene, path, served / FILE)
            memory = peak_bytes(pid)
    if result.answers < scene.requests:
        raise BenchError(f"{name}, {scene.what}: {result.answers} answers; {result.wrong[:3]}")
    amount = result.bytes / MB if scene is FILES else result.answers
    remark = f"slowest {result.slowest_s * 1000:.0f} ms, {memory / MB:.0f} MB"
    rates.note(PART, scene.what, name, amount / result.seconds, remark)


def _nginx(folder: Path) -> Daemon:
    """One worker, in the foreground, without a log of requests."""
    configuration = folder / "nginx.conf"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    scratch = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    configuration.write_text(
        f"daemon off; user root; worker_processes 1; pid {folder}/nginx.pid; error_log stderr;\n"
        "events { worker_connections 1024; }\n"
        "http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;\n"
        f"{scratch}\n"
        f"server {{ listen {IP}:{PORT}; root {folder}/served; }} }}\n"
    )
    return Daemon(NGINX, [unpacked("usr/sbin/nginx"), "-c", str(configuration)], (PORT,))


def load(made: Link, scene: Scene, path: str, copy: Path) -> Load:
    """Let the clients read."""
    url = f"http://{IP}:{PORT}{path}"
    numbers = (CLIENTS, scene.requests, scene.piece_bytes, RUN_S)
    argv = [sys.executable, "-m", "tests.bench.serving.http_load", url, TOKEN, str(copy)]
    ran = made.client.run(
        "env", f"PYTHONPATH={TOP}", *argv, *map(str, numbers), timeout_s=RUN_S + 30
    )
    return msgspec.json.decode(ran.stdout, type=Load)
