"""The pool of the real `haoscar-pxe serve`, and other people's client, over a crash."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.needed import need
from tests.unit.cli import site_folder
from tests.wire.namespaces import Link
from tests.wire.starting import await_serving

pytestmark = pytest.mark.wire

FIRST, SECOND = "52:54:00:00:01:01", "52:54:00:00:01:02"
PRINT_LEASE = "#!/bin/sh\nenv > {folder}/$1\n"


@contextmanager
def serving(wire: Link, config: Path) -> Iterator[None]:
    """`serve` until the block ends, and then no chance to put anything in order."""
    argv = [sys.executable, "-m", "haoscar_pxe.cli", "--config", str(config), "serve"]
    folder = Path(__file__).parents[2]
    with subprocess.Popen(wire.server.argv(argv), stderr=subprocess.PIPE, cwd=folder) as process:
        try:
            await_serving(process)
            yield
        finally:
            process.kill()


def address_of(wire: Link, mac: str, scratch: Path) -> str:
    """What busybox's client is given on a card with this MAC; "" if nobody answers."""
    need("busybox")
    wire.client.run("ip", "link", "set", "eth0", "address", mac)
    script = scratch / "script"
    script.write_text(PRINT_LEASE.format(folder=scratch))
    script.chmod(0o755)
    (scratch / "bound").unlink(missing_ok=True)
    command = ["busybox", "udhcpc", "-i", "eth0", "-s", str(script), "-n", "-q", "-f", "-t", "2"]
    wire.client.finishes(*command, "-T", "1")
    if not (scratch / "bound").exists():
        return ""
    lines = (scratch / "bound").read_text().splitlines()
    return next(line.removeprefix("ip=") for line in lines if line.startswith("ip="))


def strangers(config: Path) -> list[str]:
    """Whom `node discover` lists."""
    listed = json.loads(site_folder.call(config, "node", "discover", "--json").output)
    return [each["mac"] for each in listed]


def test_a_crash_of_the_server_gives_no_strangers_address_to_another(
    bare_wire: Link, tmp_path: Path
) -> None:
    config = site_folder.make(tmp_path)
    pool = json.dumps(["10.77.0.100", "10.77.0.101"])
    text = config.read_text().replace("eth1", bare_wire.server.interface)
    config.write_text(f"{text}pool = {pool}\n")
    with serving(bare_wire, config):
        assert address_of(bare_wire, FIRST, tmp_path) == "10.77.0.100"
        deadline = time.monotonic() + 10
        while (seen := strangers(config)) == [] and time.monotonic() < deadline:
            time.sleep(0.1)
    assert seen == [FIRST], "it is written while the server runs"
    with serving(bare_wire, config):
        assert address_of(bare_wire, SECOND, tmp_path) == "10.77.0.101"
        assert address_of(bare_wire, "52:54:00:00:01:03", tmp_path) == "", "both are in use"
    with serving(bare_wire, config):
        assert address_of(bare_wire, FIRST, tmp_path) == "10.77.0.100"
