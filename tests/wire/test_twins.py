"""Two real `serve` processes for the same nodes; one is killed in the middle of a boot."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tests.faults.serving import CHECKOUT, Serving, serving
from tests.needed import need
from tests.unit.cli import site_folder
from tests.wire.namespaces import CLIENT_MAC, Namespace
from tests.wire.segment import Segment, segment

pytestmark = pytest.mark.wire

URLS: Final = ("http://10.77.0.1:8069", "http://10.77.0.2:8069")
KNOWN_S: Final = 10.0
BOOTED_S: Final = 60.0
POINTS: Final = ("REQUEST", "configuration", "manifest", "installed", "DISCOVER again")
"""Before which step of a boot the server that the machine talks to is killed."""


@dataclass
class Pair:
    """Both servers; each can be killed and started again."""

    segment: Segment
    folder: Path
    running: dict[str, ExitStack] = field(default_factory=dict)
    servers: dict[str, Serving] = field(default_factory=dict)

    def config(self, name: str) -> Path:
        return self.folder / name / "site.toml"

    def start(self, name: str) -> None:
        if name not in self.running:
            stack = ExitStack()
            namespace: Namespace = getattr(self.segment, name)
            log = self.folder / f"{name}.log"
            self.servers[name] = stack.enter_context(serving(namespace, self.config(name), log))
            self.running[name] = stack

    def kill(self, name: str) -> None:
        if name in self.running:
            self.servers[name].process.kill()
            self.running.pop(name).close()

    def state(self, name: str) -> tuple[str, str]:
        """Where the node stands, by one server, and what it boots next."""
        shown = site_folder.call(self.config(name), "node", "show", "n20", "--json")
        if shown.exit_code:
            return "unknown", ""
        return str(json.loads(shown.output)["state"]), shown.output

    def both_are(self, state: str) -> bool:
        until = time.monotonic() + KNOWN_S
        while time.monotonic() < until:
            if all(self.state(name)[0] == state for name in ("first", "second")):
                return True
            time.sleep(0.1)
        return False


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    need("ip")
    folder = tmp_path_factory.mktemp("twins")
    make_sites(folder)
    with segment() as made:
        pair = Pair(made, folder)
        try:
            yield pair
        finally:
            for name in list(pair.running):
                pair.kill(name)


def make_sites(folder: Path) -> None:
    (folder / "first").mkdir()
    first = site_folder.make(folder / "first")
    shutil.copytree(folder / "first", folder / "second")
    second = folder / "second" / "site.toml"
    configure(first, '"10.77.0.1/24"', URLS[1], "false")
    configure(second, '"10.77.0.2/24"', URLS[0], "true")
    for own, other, name in ((first, second, "second"), (second, first, "first")):
        added = site_folder.call(own, "mirror", "add", name, "--twin")
        (other.parent / "token").write_text(added.stdout.splitlines()[0])


def configure(config: Path, address: str, twin: str, is_second: str) -> None:
    text = config.read_text().replace("eth1", "eth0").replace('"10.77.0.1/24"', address)
    section = f'[twin]\nurl = "{twin}"\ntoken_file = "token"\nsecond = {is_second}\n'
    config.write_text(f"{text}{section}")


def arm(pair: Pair) -> None:
    """Armed on the first server, for the first time or anew, and known to both."""
    first = pair.config("first")
    if pair.state("first")[0] == "unknown":
        words = ["add", "n20", "--mac", CLIENT_MAC, "--address", "10.77.0.20/24"]
    else:
        words = ["set", "n20", "--install"]
    assert site_folder.call(first, "node", *words).exit_code == 0
    assert pair.both_are("armed")


def boot(pair: Pair, point: str, victim: str) -> list[str]:
    """The machine's steps to its local disk. victim: "" for the server it talks to."""
    argv = [sys.executable, "-m", "tests.wire.simulated_node", CLIENT_MAC]
    process = subprocess.Popen(
        pair.segment.machine.argv(argv),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=CHECKOUT,
        text=True,
        bufsize=1,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        steps: list[str] = []
        began, server = time.monotonic(), "first"
        try:
            while time.monotonic() - began < BOOTED_S:
                step, _, where = process.stdout.readline().strip().partition(" ")
                if "10.77" in where:
                    server = "second" if "10.77.0.2" in where else "first"
                steps.append(step)
                if is_point(point, steps):
                    pair.kill(victim or server)
                if step in ("local", ""):
                    return steps
                process.stdin.write("go\n")
        finally:
            process.kill()
    return steps


def is_point(point: str, steps: list[str]) -> bool:
    step, _, is_again = point.partition(" ")
    return steps[-1] == step and steps.count(step) == (2 if is_again else 1)


@pytest.mark.parametrize("point", POINTS)
def test_a_server_killed_in_the_middle_of_a_boot_strands_no_machine(pair: Pair, point: str) -> None:
    for name in ("first", "second"):
        pair.start(name)
    arm(pair)
    steps = boot(pair, point, "")
    assert steps[-1] == "local", steps
    assert "installed" in steps
    assert len(pair.running) == 1, "one was killed"
    assert steps.count("order") == 1, ("the installer goes on with the other server", steps)
    for name in ("first", "second"):
        pair.start(name)
    assert pair.both_are("installed"), "the one that was dead has learned it"


def test_both_say_the_same_of_a_node_but_for_their_own_address(pair: Pair) -> None:
    for name in ("first", "second"):
        pair.start(name)
    arm(pair)
    told = [
        site_folder.call(pair.config(name), "boot", "explain", CLIENT_MAC).output
        for name in ("first", "second")
    ]
    assert "haoscar.twin=http://10.77.0.2:8069" in told[0]
    assert "/etc/machine-id" in told[0]
    assert said_by_first(told[1]) == told[0]


def said_by_first(text: str) -> str:
    """What the second says, with the servers' addresses and shares of the orders exchanged."""
    marked = re.sub(r"10\.77\.0\.([12])\b", lambda found: f"10.77.0.{3 - int(found[1])}", text)
    return marked.replace("0 of 1 orders", "0 of 3 orders")
