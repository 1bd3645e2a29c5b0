"""A rehearsal's network: closed, reachable from inside, gone afterwards."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from haoscar_pxe.command import run
from haoscar_pxe.rehearse.hardware import Hardware
from haoscar_pxe.rehearse.machine import Machine
from haoscar_pxe.rehearse.network import BRIDGE, Network, clean_leftovers, network
from haoscar_pxe.rehearse.probe import Page, Ping, Probe, ProbeResult, Ssh, run_probe
from tests.needed import need

pytestmark = pytest.mark.wire

SERVER = IPv4Interface("10.77.0.1/24")


@pytest.fixture
def lab() -> Iterator[Network]:
    need("ip", "busybox")
    with network(SERVER) as made:
        yield made


def namespaces() -> list[str]:
    return [line.split()[0] for line in run(["ip", "netns", "list"]).text.splitlines()]


def probed(probe: Probe, lab: Network, folder: Path, within_s: float = 0.0) -> ProbeResult:
    hardware = Hardware(macs=("52:54:00:00:00:20",), accelerator="tcg", disk_bytes=512)
    with Machine(folder, lab, hardware) as machine:
        return run_probe(probe, lab, machine, within_s)


def test_the_bridge_has_the_servers_address_and_no_way_out(lab: Network) -> None:
    assert str(SERVER) in run(lab.command(["ip", "address", "show", BRIDGE])).text
    assert run(lab.command(["ip", "route", "show", "default"])).text == ""
    links = run(lab.command(["ip", "-oneline", "link", "show"])).text
    assert {line.split()[1].strip(":") for line in links.splitlines()} == {"lo", BRIDGE}


def test_sockets_are_inside_for_the_block_only(lab: Network) -> None:
    outside = os.readlink("/proc/thread-self/ns/net")
    with lab.inside():
        inside = os.readlink("/proc/thread-self/ns/net")
        with socket.socket() as listener:
            listener.bind((str(SERVER.ip), 0))
    assert inside != outside
    assert os.readlink("/proc/thread-self/ns/net") == outside


def test_it_is_gone_with_all_that_runs_in_it() -> None:
    need("ip", "sleep")
    with network(SERVER) as made:
        assert made.namespace in namespaces()
        made.add_tap("machine0")
        sleeper = subprocess.Popen(made.command(["sleep", "1000"]))
        while not run(["ip", "netns", "pids", made.namespace]).text.strip():
            time.sleep(0.01)
    assert made.namespace not in namespaces()
    assert sleeper.wait(10) != 0


def test_it_is_gone_after_a_failure_too() -> None:
    need("ip")
    with pytest.raises(KeyError), network(SERVER) as made:
        raise KeyError
    assert made.namespace not in namespaces()


def test_what_a_killed_rehearsal_left_is_removed_by_the_next() -> None:
    need("ip")
    code = (
        "import os\nfrom ipaddress import IPv4Interface\n"
        "from haoscar_pxe.rehearse.network import network\n"
        f"with network(IPv4Interface('{SERVER}')) as made:\n"
        "    print(made.namespace, flush=True)\n    os.kill(os.getpid(), 9)\n"
    )
    left = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=False)
    name = left.stdout.decode().strip()
    assert name in namespaces()
    assert name in clean_leftovers()
    assert name not in namespaces()


def test_an_address_answers_or_does_not(lab: Network, tmp_path: Path) -> None:
    assert probed(Ping(str(SERVER.ip)), lab, tmp_path).ok
    assert not probed(Ping("10.77.0.99"), lab, tmp_path).ok


def test_an_ssh_server_must_greet_as_one(lab: Network, tmp_path: Path) -> None:
    def greet(listener: socket.socket, words: bytes) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(words)

    for words, ok in ((b"SSH-2.0-OpenSSH_9.2p1\r\n", True), (b"220 mail\r\n", False)):
        with lab.inside():
            listener = socket.create_server((str(SERVER.ip), 0))
        with listener:
            greeter = threading.Thread(target=greet, args=(listener, words))
            greeter.start()
            result = probed(Ssh(str(SERVER.ip), listener.getsockname()[1]), lab, tmp_path)
            greeter.join()
        assert result.ok is ok
        assert words.decode().strip() in result.seen


def test_a_page_must_contain_its_text(lab: Network, tmp_path: Path) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/" else 404)
            self.end_headers()
            self.wfile.write(b"this page lives on the primary")

        def log_message(self, *_: object) -> None:
            pass

    address = str(SERVER.ip)
    with lab.inside():
        server = http.server.HTTPServer((address, 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        port = server.server_address[1]
        pages = [
            (Page(address, contains="lives on", port=port), True),
            (Page(address, contains="somewhere else", port=port), False),
            (Page(address, path="/x", contains="lives on", port=port), False),
            (Page(address, path="/x", port=port), True),
        ]
        for page, ok in pages:
            assert probed(page, lab, tmp_path).ok is ok, page
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_closed_port_is_seen_as_such(lab: Network, tmp_path: Path) -> None:
    result = probed(Ssh(str(SERVER.ip), 1), lab, tmp_path)
    assert not result.ok
    assert "refused" in result.seen
