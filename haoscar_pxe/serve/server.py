"""The boot server as one service: DHCP, TFTP and HTTP on one loop, from bind to a clean stop.

All sockets are opened before anything is answered, so it serves as asked or says why not.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from haoscar_pxe.serve.answers import Answers
from haoscar_pxe.serve.counters import Counters
from haoscar_pxe.serve.dhcp import DhcpRole, DhcpService
from haoscar_pxe.serve.http import make_application
from haoscar_pxe.serve.http_log import RequestLog, protocol_logger
from haoscar_pxe.serve.options import Endpoints, ServeOptions
from haoscar_pxe.serve.patience import Patience
from haoscar_pxe.serve.privileges import give_up_privileges
from haoscar_pxe.serve.router import RouterService, open_router
from haoscar_pxe.serve.sockets import open_dhcp, open_http, open_tftp
from haoscar_pxe.serve.systemd_notify import notify
from haoscar_pxe.serve.tftp import TftpService
from haoscar_pxe.wire.tftp_options import Limits

log = logging.getLogger(__name__)

KEEPALIVE_S: Final = 75.0
MOST_FILES: Final = 65536
THREADS: Final = 32
"""Some answers take long (the first node of a generation has its boot files made); others must
not wait behind them. asyncio's own number is the processors' and 4."""


@dataclass(frozen=True, slots=True)
class Sockets:
    """What was bound; None for a protocol that is off."""

    http: socket.socket
    tftp: socket.socket | None
    dhcp: socket.socket | None
    router: socket.socket | None
    boot_service: socket.socket | None = None


def run_server(
    options: ServeOptions,
    answers: Answers,
    ready: Callable[[Endpoints], None] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Serve until SIGTERM or SIGINT; systemd is told when it is ready and when it stops.

    ready: called once everything is bound. Raises ServeError if something cannot be.
    """
    _allow_many_files()
    asyncio.run(_serve_until_signal(options, answers, ready, environment))


async def _serve_until_signal(
    options: ServeOptions,
    answers: Answers,
    ready: Callable[[Endpoints], None] | None,
    environment: Mapping[str, str],
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS, "answers"))

    def stopping() -> None:
        notify("STOPPING=1", environment)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping)

    def announce(endpoints: Endpoints) -> None:
        notify(f"READY=1\nSTATUS={endpoints}", environment)
        if ready is not None:
            ready(endpoints)

    await serve(options, answers, announce, stop)


async def serve(
    options: ServeOptions,
    answers: Answers,
    ready: Callable[[Endpoints], None],
    stop: asyncio.Event,
) -> None:
    """Serve until `stop` is set, then let what is under way end for at most grace_s.

    ready: called with what was bound, before the first answer. Raises ServeError.
    """
    counters = Counters()
    with ExitStack() as stack:
        sockets = _open(options, stack)
        if options.gives_up_privileges:
            give_up_privileges()
        tftp = _start_datagrams(options, answers, counters, sockets)
        runner = await _start_http(options, answers, counters, sockets.http)
        endpoints = _endpoints(options, sockets)
        log.info("serving %s", endpoints)
        ready(endpoints)
        await stop.wait()
        log.info("stopping")
        _stop_listening(sockets)
        await asyncio.gather(runner.cleanup(), *([tftp.drain(options.grace_s)] if tftp else []))
    log.info("stopped after %s", dict(counters.snapshot()))


def _open(options: ServeOptions, stack: ExitStack) -> Sockets:
    """Every socket or none: the stack closes what was opened before the one that failed."""
    ip = str(options.address.ip)
    http = stack.enter_context(open_http(ip, options.http_port, options.patience_s))
    tftp = stack.enter_context(open_tftp(ip, options.tftp_port)) if options.tftp else None
    dhcp = None
    if options.dhcp:
        dhcp = stack.enter_context(open_dhcp(options.interface, options.dhcp_port))
    router = None
    if options.router_advertisement:
        router = stack.enter_context(open_router(options.interface))
    boot_service = None
    if options.dhcp and options.proxy_dhcp:
        boot_service = stack.enter_context(open_dhcp(options.interface, options.boot_service_port))
    return Sockets(http, tftp, dhcp, router, boot_service)


def _start_datagrams(
    options: ServeOptions, answers: Answers, counters: Counters, sockets: Sockets
) -> TftpService | None:
    loop = asyncio.get_running_loop()
    ip = options.address.ip
    if sockets.router is not None:
        router = RouterService(sockets.router, options.interface, counters)
        loop.add_reader(sockets.router, router.on_readable)
    if sockets.dhcp is not None:
        role = DhcpRole.PROXY if options.proxy_dhcp else DhcpRole.SERVER
        dhcp = DhcpService(sockets.dhcp, ip, answers, counters, role, options.twin)
        loop.add_reader(sockets.dhcp, dhcp.on_readable)
    if sockets.boot_service is not None:
        boots = DhcpService(sockets.boot_service, ip, answers, counters, DhcpRole.BOOT_SERVICE)
        loop.add_reader(sockets.boot_service, boots.on_readable)
    if sockets.tftp is None:
        return None
    limits = Limits(options.mtu_bytes, options.tftp_windowsize)
    tftp = TftpService(sockets.tftp, ip, answers, counters, limits)
    loop.add_reader(sockets.tftp, tftp.on_readable)
    return tftp


async def _start_http(
    options: ServeOptions, answers: Answers, counters: Counters, sock: socket.socket
) -> web.AppRunner:
    patience = Patience(options.patience_s, counters)
    runner = web.AppRunner(
        make_application(answers, counters, patience),
        access_log_class=RequestLog,
        logger=protocol_logger(counters),
        keepalive_timeout=KEEPALIVE_S,
        shutdown_timeout=options.grace_s,
    )
    await runner.setup()
    await web.SockSite(runner, sock).start()
    assert runner.server is not None  # it was set up
    patience.begin(runner.server)
    return runner


def _endpoints(options: ServeOptions, sockets: Sockets) -> Endpoints:
    def port(sock: socket.socket | None) -> int | None:
        return None if sock is None else int(sock.getsockname()[1])

    http_port = int(sockets.http.getsockname()[1])
    return Endpoints(options.address, http_port, port(sockets.tftp), port(sockets.dhcp))


def _stop_listening(sockets: Sockets) -> None:
    loop = asyncio.get_running_loop()
    for sock in (sockets.tftp, sockets.dhcp, sockets.boot_service, sockets.router):
        if sock is not None:
            loop.remove_reader(sock)


def _allow_many_files() -> None:
    """A transfer needs two descriptors; the usual soft limit of 1024 does not do for a rack."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:  # the unit has set it, and forbids the call
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
