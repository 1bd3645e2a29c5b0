"""The real `haoscar-pxe serve` as the unit starts it: an own user, and the unit's capabilities."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from haoscar_pxe.serve.privileges import KEPT
from tests.needed import need
from tests.unit.cli import site_folder
from tests.wire.namespaces import CLIENT_ADDRESS, CLIENT_MAC, SERVER_ADDRESS, Link
from tests.wire.starting import await_serving

pytestmark = pytest.mark.wire

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "haoscar_pxe" / "systemd" / "haoscar-pxe.service"
USER = "64321"
PR_SET_MDWE = 65  # linux/prctl.h, since 6.3: what MemoryDenyWriteExecute= asks a newer systemd for
DENY = f"""
import ctypes, os, sys
if ctypes.CDLL(None).prctl({PR_SET_MDWE}, 1, 0, 0, 0) != 0:
    print("not tried: memory that is writable and executable", file=sys.stderr)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def of_unit(setting: str) -> list[str]:
    """The words of a setting in the unit."""
    lines = UNIT.read_text().splitlines()
    return next(each.partition("=")[2].split() for each in lines if each.startswith(f"{setting}="))


@contextmanager
def serving(wire: Link, config: Path) -> Iterator[int]:
    """`serve` as the unit runs it; gives its process's number."""
    capabilities = ",".join(
        f"+{each.removeprefix('CAP_').lower()}" for each in of_unit("AmbientCapabilities")
    )
    assert of_unit("AmbientCapabilities") == of_unit("CapabilityBoundingSet")
    only = f"-all,{capabilities}"
    privileges = ["--reuid", USER, "--regid", USER, "--clear-groups", "--no-new-privs"]
    sets = [f"--{each}={only}" for each in ("inh-caps", "ambient-caps", "bounding-set")]
    deny = [sys.executable, "-c", DENY]
    argv = [sys.executable, "-m", "haoscar_pxe.cli", "--config", str(config), "serve"]
    command = wire.server.argv(["setpriv", *privileges, *sets, *deny, *argv])
    with subprocess.Popen(command, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stderr is not None
        try:
            said = await_serving(process)
            yield process.pid
            process.terminate()
            rest = process.stderr.read()
            assert process.wait(15) == 0, (said + rest).decode()
            assert b"Traceback" not in said + rest
        finally:
            process.kill()


def status(thread: Path) -> dict[str, str]:
    """The thread's record in /proc."""
    lines = (thread / "status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_an_own_user_with_the_units_capabilities_serves_a_boot_and_keeps_none_for_the_network(
    wire: Link, tmp_path: Path
) -> None:
    need("setpriv", "busybox", "curl")
    config = site_folder.make(tmp_path)
    text = config.read_text().replace("eth1", wire.server.interface)
    config.write_text(f"{text}router_advertisement = true\n")
    added = ("--mac", CLIENT_MAC, "--address", CLIENT_ADDRESS)
    assert site_folder.call(config, "node", "add", "standby", *added).exit_code == 0
    server = SERVER_ADDRESS.partition("/")[0]
    with serving(wire, config) as pid:
        asks = ["-V", "PXEClient:Arch:00000", "-n", "-q", "-f", "-t", "3"]
        wire.client.run("busybox", "udhcpc", "-i", "eth0", "-s", "/bin/true", *asks)
        name = f"pxelinux.cfg/01-{CLIENT_MAC.replace(':', '-')}"
        menu = wire.client.run("curl", "-sS", f"tftp://{server}/{name}").text
        assert "boot/primary/1/vmlinuz" in menu
        order = f"http://{server}:8069/v1/order?mac={CLIENT_MAC}"
        assert '"standby"' in wire.client.run("curl", "-sS", order).text
        threads = [status(each) for each in Path(f"/proc/{pid}/task").iterdir()]
    assert len(threads) > 1
    assert {each["Uid"].split()[0] for each in threads} == {USER}
    for which in ("CapPrm", "CapEff"):
        assert {int(each[which], 16) for each in threads} == {KEPT}
    assert {int(each["CapAmb"], 16) for each in threads} == {0}
    assert {each["NoNewPrivs"] for each in threads} == {"1"}
    shown = site_folder.call(config, "node", "show", "standby").output
    assert "firmware asked" in shown, "what it wrote is there"
    assert "decided" in shown


def test_the_unit_is_as_closed_as_is_said() -> None:
    need("systemd-analyze")
    analysed = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(UNIT)],
        stdout=subprocess.PIPE,
        check=False,
    )
    assert analysed.returncode == 0, analysed.stdout.decode()
