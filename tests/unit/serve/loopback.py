"""A real boot server on loopback, on ports that the kernel chose, in the test's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Interface

from haoscar_pxe.serve.answers import Answers
from haoscar_pxe.serve.options import Endpoints, ServeOptions
from haoscar_pxe.serve.server import serve

OPTIONS = ServeOptions(
    interface="lo",
    address=IPv4Interface("127.0.0.1/8"),
    http_port=0,
    tftp_port=0,
    dhcp=False,
    grace_s=1.0,
)
STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that runs; stop ends it."""

    http_port: int
    tftp_port: int
    dhcp_port: int
    stop: asyncio.Event

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"


@asynccontextmanager
async def serving(answers: Answers, options: ServeOptions = OPTIONS) -> AsyncIterator[Serving]:
    """Serve while the block runs; a server that fails or does not stop fails the test."""
    loop = asyncio.get_running_loop()
    bound: asyncio.Future[Endpoints] = loop.create_future()
    stop = asyncio.Event()
    task = asyncio.create_task(serve(options, answers, bound.set_result, stop))
    while not bound.done():
        await asyncio.sleep(0.01)
        if task.done():
            await task
    try:
        ports = bound.result()
        yield Serving(ports.http_port, ports.tftp_port or 0, ports.dhcp_port or 0, stop)
    finally:
        stop.set()
        await asyncio.wait_for(task, STOP_S)
