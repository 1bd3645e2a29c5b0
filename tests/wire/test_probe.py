"""The probes of `doctor` against another project's DHCP and TFTP server."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.needed import need
from tests.wire.namespaces import CLIENT_ADDRESS, Link, Namespace, link

pytestmark = pytest.mark.wire

SERVER = "10.77.0.1"
BOOT_FILE = b"a boot program" * 1000


@pytest.fixture
def wire() -> Iterator[Link]:
    need("ip", "dnsmasq")
    with link(CLIENT_ADDRESS) as made:
        yield made


@pytest.fixture
def dnsmasq(wire: Link, tmp_path: Path) -> Iterator[Link]:
    """A server that somebody forgot on the segment."""
    (tmp_path / "pxelinux.0").write_bytes(BOOT_FILE)
    server = wire.server.start(
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--no-ping"),
        *("--interface=eth0", "--bind-interfaces", "--dhcp-range=10.77.0.99,10.77.0.99"),
        *("--dhcp-boot=pxelinux.0", "--enable-tftp", f"--tftp-root={tmp_path}", "--user=root"),
        *(f"--dhcp-leasefile={tmp_path}/leases", f"--pid-file={tmp_path}/pid"),
    )
    while not (tmp_path / "pid").exists():
        assert server.poll() is None
        time.sleep(0.02)
    yield wire
    server.kill()
    server.wait()


def ask(namespace: Namespace, call: str) -> object:
    """Evaluate a call of serve.probe inside the namespace."""
    code = (
        "import msgspec, sys; from ipaddress import IPv4Address\n"
        "from haoscar_pxe.errors import ServeError\n"
        "from haoscar_pxe.serve.probe import fetch_boot_file, find_dhcp_servers\n"
        f"try: answer = {call}\n"
        "except ServeError as error: answer = [str(error), error.hint]\n"
        "sys.stdout.buffer.write(msgspec.json.encode(answer, enc_hook=str))\n"
    )
    return msgspec.json.decode(namespace.run(sys.executable, "-W", "error", "-c", code).stdout)


def mac_of(namespace: Namespace) -> str:
    return namespace.run("cat", "/sys/class/net/eth0/address").text.strip()


def test_a_foreign_dhcp_server_is_found_with_all_that_names_it(dnsmasq: Link) -> None:
    assert ask(dnsmasq.client, "find_dhcp_servers('eth0')") == [
        {
            "server_id": SERVER,
            "server_mac": mac_of(dnsmasq.server),
            "address": "10.77.0.99",
            "boot_filename": "pxelinux.0",
        }
    ]


def test_a_segment_without_a_server_is_quiet(wire: Link) -> None:
    assert ask(wire.client, "find_dhcp_servers('eth0', 1.0)") == []


def test_an_interface_that_is_not_there_is_named(wire: Link) -> None:
    message, hint = msgspec.convert(ask(wire.client, "find_dhcp_servers('eth9')"), tuple[str, str])
    assert "eth9" in message
    assert "ip link show eth9" in hint


def test_the_boot_file_is_fetched_whole(dnsmasq: Link) -> None:
    call = f"fetch_boot_file(IPv4Address('{SERVER}'), 'pxelinux.0')"
    fetched = msgspec.convert(ask(dnsmasq.client, call), dict[str, float])
    assert fetched["size_bytes"] == len(BOOT_FILE)
    assert 0 < fetched["seconds"] < 5


def test_a_boot_file_that_is_not_there_is_told_in_the_servers_words(dnsmasq: Link) -> None:
    call = f"fetch_boot_file(IPv4Address('{SERVER}'), 'nothing.0')"
    message, _ = msgspec.convert(ask(dnsmasq.client, call), tuple[str, str])
    assert "'nothing.0'" in message
    assert "not" in message.partition("TFTP:")[2].lower()


def test_no_answer_is_told_in_bounded_time(wire: Link) -> None:
    call = f"fetch_boot_file(IPv4Address('{SERVER}'), 'pxelinux.0')"
    message, hint = msgspec.convert(ask(wire.client, call), tuple[str, str])
    assert "pxelinux.0" in message
    assert "firewall" in hint
