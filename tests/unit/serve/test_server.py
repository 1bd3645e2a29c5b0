from __future__ import annotations

import asyncio
import os
import signal
import socket
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from haoscar_pxe.errors import ServeError
from haoscar_pxe.serve.options import Endpoints
from haoscar_pxe.serve.server import run_server
from tests.unit.serve.fixed_answers import FixedAnswers
from tests.unit.serve.loopback import OPTIONS, serving
from tests.unit.wire.captured import IPXE_DISCOVER


async def test_a_port_that_is_taken_leaves_nothing_bound() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken,
        socket.create_server(("127.0.0.1", 0)) as free,
    ):
        taken.bind(("127.0.0.1", 0))
        http_port = free.getsockname()[1]
        free.close()
        options = replace(OPTIONS, http_port=http_port, tftp_port=taken.getsockname()[1])
        with pytest.raises(ServeError, match=r"TFTP .* holds it"):
            async with serving(FixedAnswers(), options):
                pass
    async with serving(FixedAnswers(), options) as server:
        assert server.http_port == http_port


async def test_a_stopped_server_starts_again_on_the_same_ports() -> None:
    async with serving(FixedAnswers()) as first, aiohttp.ClientSession(first.url) as client:
        health = await client.get("/health")
        assert health.status == 200
    again = replace(OPTIONS, http_port=first.http_port, tftp_port=first.tftp_port)
    async with serving(FixedAnswers(), again) as second:
        assert (second.http_port, second.tftp_port) == (first.http_port, first.tftp_port)


async def test_dhcp_is_heard_beside_the_others() -> None:
    answers = FixedAnswers()
    async with serving(answers, replace(OPTIONS, dhcp=True, dhcp_port=0)) as server:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(IPXE_DISCOVER, ("127.0.0.1", server.dhcp_port))
        async with asyncio.timeout(3):
            while not answers.askers:
                await asyncio.sleep(0.01)
    assert answers.askers[0].mac == "52:54:00:00:00:01"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_and_systemd_hears_of_both_ends(
    tmp_path: Path, number: signal.Signals
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        seen: list[Endpoints] = []

        def ready(endpoints: Endpoints) -> None:
            seen.append(endpoints)
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)

        run_server(OPTIONS, FixedAnswers(), ready, environment)
        assert systemd.recv(1000).startswith(b"READY=1\nSTATUS=127.0.0.1: TFTP on port ")
        assert systemd.recv(1000) == b"STOPPING=1"
    assert seen[0].dhcp_port is None
    assert seen[0].tftp_port
