"""Other people's DHCP clients against our server."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from haoscar_pxe.command import Finished
from haoscar_pxe.errors import CommandError
from tests.needed import need
from tests.wire.conftest import BootServer

pytestmark = pytest.mark.wire

PRINT_LEASE = "#!/bin/sh\nenv > {folder}/$1\n"


def udhcpc(server: BootServer, scratch: Path, *arguments: str) -> dict[str, str]:
    """What busybox's client was told, by the names that it gives to a script."""
    need("busybox")
    script = scratch / "script"
    script.write_text(PRINT_LEASE.format(folder=scratch))
    script.chmod(0o755)
    command = ["busybox", "udhcpc", "-i", "eth0", "-s", str(script), "-n", "-q", "-f", "-t", "3"]
    server.link.client.run(*command, *arguments)
    lines = (scratch / "bound").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_udhcpc_is_told_all_that_was_decided(dhcp_server: BootServer, tmp_path: Path) -> None:
    options = [f"-O{name}" for name in ("router", "dns", "domain", "hostname", "bootfile")]
    told = udhcpc(dhcp_server, tmp_path, *options)
    assert (told["ip"], told["subnet"], told["lease"]) == ("10.77.0.20", "255.255.255.0", "600")
    assert (told["router"], told["dns"]) == ("10.77.0.1", "10.77.0.1")
    assert (told["domain"], told["hostname"]) == ("cluster.test", "standby")
    assert (told["boot_file"], told["siaddr"]) == ("lpxelinux.0", "10.77.0.1")
    assert told["serverid"] == "10.77.0.1"


def test_udhcpc_that_wants_broadcast_replies_is_served_too(
    dhcp_server: BootServer, tmp_path: Path
) -> None:
    assert udhcpc(dhcp_server, tmp_path, "-B")["ip"] == "10.77.0.20"


def test_udhcpc_that_asks_for_another_address_gets_its_own(
    dhcp_server: BootServer, tmp_path: Path
) -> None:
    assert udhcpc(dhcp_server, tmp_path, "-r", "10.77.0.99")["ip"] == "10.77.0.20"


def dhclient(server: BootServer, scratch: Path, *arguments: str) -> Finished:
    """One run of ISC's client with its own lease file; -1 gives up instead of trying forever."""
    need("dhclient")
    script = scratch / "dhclient-script"
    script.write_text(PRINT_LEASE.format(folder=scratch).replace("$1", "$reason"))
    script.chmod(0o755)
    files = ["-lf", str(scratch / "leases"), "-pf", str(scratch / "pid"), "-cf", "/dev/null"]
    command = ["dhclient", "-1", "-v", "-sf", str(script), *files, *arguments, "eth0"]
    return server.link.client.run(*command)


def test_dhclient_gets_its_address_and_renews_it(dhcp_server: BootServer, tmp_path: Path) -> None:
    dhclient(dhcp_server, tmp_path)
    assert "new_ip_address=10.77.0.20" in (tmp_path / "BOUND").read_text()
    assert "fixed-address 10.77.0.20" in (tmp_path / "leases").read_text()
    dhclient(dhcp_server, tmp_path)
    assert "new_ip_address=10.77.0.20" in (tmp_path / "REBOOT").read_text()
    assert "-> ACK 10.77.0.20" in dhcp_server.log.read_text()


def test_dhclient_that_remembers_a_wrong_address_is_refused_and_then_served(
    dhcp_server: BootServer, tmp_path: Path
) -> None:
    when = "1 2037/01/05 00:00:00"
    lease = (
        'lease { interface "eth0"; fixed-address 10.77.0.99; option subnet-mask 255.255.255.0; '
        f"renew {when}; rebind {when}; expire {when}; }}"
    )
    (tmp_path / "leases").write_text(lease)
    said = dhclient(dhcp_server, tmp_path).stderr.decode()
    assert "DHCPNAK from 10.77.0.1" in said
    assert "bound to 10.77.0.20" in said


def test_a_stranger_hears_nothing(dhcp_server: BootServer, tmp_path: Path) -> None:
    dhcp_server.link.client.run("ip", "link", "set", "eth0", "address", "52:54:00:00:00:99")
    with pytest.raises(CommandError):
        udhcpc(dhcp_server, tmp_path, "-T", "1")
    assert "nobody knows it" in dhcp_server.log.read_text()


def test_uefi_firmware_hears_a_proxy_on_both_ports(proxy_server: BootServer) -> None:
    root = Path(__file__).parents[2]
    argv = [
        "env",
        "--chdir",
        str(root),
        sys.executable,
        "-m",
        "tests.wire.pxe_client",
        proxy_server.ip,
    ]
    printed = proxy_server.link.client.run(*argv).text
    told = json.loads(printed)
    for kind, number, port in (("offer", 2, 67), ("ack", 5, 4011)):
        answer = told[kind]
        assert answer["from"] == ["10.77.0.1", port]
        assert (answer["type"], answer["class"]) == (number, "PXEClient")
        assert (answer["yiaddr"], answer["siaddr"]) == ("0.0.0.0", "10.77.0.1")
        assert answer["file"] == "lpxelinux.0"
        assert not {"lease_time", "subnet_mask", "router"} & set(answer["options"])
        assert "vendor_specific" not in answer["options"], "UEFI would not come to port 4011"
