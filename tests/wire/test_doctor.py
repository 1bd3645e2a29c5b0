"""`doctor` beside a server that runs: ours on this end of the wire, a foreign one on the other."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from haoscar_pxe.errors import CommandError
from tests.needed import need
from tests.unit.cli.site_folder import make
from tests.wire.namespaces import Link, Namespace, link

pytestmark = pytest.mark.wire

PROGRAM = Path(sys.executable).with_name("haoscar-pxe")
SERVES_WITHIN_S = 30.0


@pytest.fixture
def wire() -> Iterator[Link]:
    need("ip", "dnsmasq")
    with link() as made:
        yield made


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = make(tmp_path)
    path.write_text(path.read_text().replace('"eth1"', '"eth0"'))
    return path


@contextmanager
def running(namespace: Namespace, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    process = namespace.start(*argv)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def examine(config: Path, namespace: Namespace) -> dict[str, tuple[str, str]]:
    """The checks' verdicts and what they found, by name."""
    code = (
        "import subprocess, sys\n"
        f"done = subprocess.run(['{PROGRAM}', '--config', '{config}', 'doctor', '--json'],\n"
        "    stdout=subprocess.PIPE)\n"
        "sys.stdout.buffer.write(done.stdout); sys.exit(done.returncode not in (0, 71))\n"
    )
    document = json.loads(namespace.run(sys.executable, "-c", code).stdout)
    return {each["name"]: (each["verdict"], each["found"]) for each in document["checks"]}


def wait_for(url: str, namespace: Namespace, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SERVES_WITHIN_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            namespace.run("curl", "--silent", "--fail", url)
            return
        except CommandError:
            time.sleep(0.2)
    pytest.fail("the server does not serve")


def test_our_own_server_is_recognised_and_its_boot_file_fetched(wire: Link, config: Path) -> None:
    need("curl")
    with running(wire.server, str(PROGRAM), "--config", str(config), "serve") as server:
        wait_for("http://10.77.0.1:8069/health", wire.server, server)
        checks = examine(config, wire.server)
    assert checks["interface eth0"] == ("ok", "up, 10.77.0.1/24")
    for name in ("UDP port 67 (DHCP)", "UDP port 69 (TFTP)", "TCP port 8069 (HTTP)"):
        assert checks[name][0] == "ok"
        assert checks[name][1].startswith("held by haoscar-pxe (pid ")
    assert checks["other DHCP servers on eth0"] == ("ok", "none answered")
    verdict, found = checks["boot files from 10.77.0.1"]
    assert verdict == "ok"
    assert found.startswith("lpxelinux.0: ")
    assert "shimx64.efi: " in found


def test_a_foreign_dhcp_server_and_a_taken_port_fail_it(
    wire: Link, config: Path, tmp_path: Path
) -> None:
    foreign = (
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--no-ping"),
        *("--user=root", "--interface=eth0", "--dhcp-range=10.77.0.99,10.77.0.99"),
        *("--dhcp-boot=pxelinux.0", f"--dhcp-leasefile={tmp_path}/leases"),
    )
    with (
        running(wire.client, *foreign, f"--pid-file={tmp_path}/client.pid"),
        running(wire.server, *foreign, f"--pid-file={tmp_path}/server.pid"),
    ):
        while not all((tmp_path / f"{end}.pid").exists() for end in ("client", "server")):
            time.sleep(0.05)
        checks = examine(config, wire.server)
    verdict, found = checks["other DHCP servers on eth0"]
    assert verdict == "failed"
    assert "10.77.0.20 (52:54:00:00:00:01) offered 10.77.0.99" in found
    assert "boot file pxelinux.0" in found
    verdict, found = checks["UDP port 67 (DHCP)"]
    assert verdict == "failed"
    assert found.startswith("held by dnsmasq (pid ")
