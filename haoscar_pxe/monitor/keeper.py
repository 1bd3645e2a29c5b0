"""The keeper process: sockets, clock and door around `keeping.Keeper`, and nothing else.

It opens no file, resolves no name, logs nothing and starts nothing while it runs. Where the system
allows it, it runs before all ordinary processes (SCHED_FIFO) and cannot be paged out (mlockall), so
that neither load nor full memory makes it late. It ends, with the door shut, when its monitor is
gone.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from typing import Final

from haoscar_pxe.monitor.addresses import Addresses
from haoscar_pxe.monitor.door import KernelDoor, boottime_ns
from haoscar_pxe.monitor.entrance import Entrance
from haoscar_pxe.monitor.guard import Guard
from haoscar_pxe.monitor.keeping import Keeper
from haoscar_pxe.monitor.lease import Member
from haoscar_pxe.monitor.reports import (
    REPORT_EVERY_NS,
    Network,
    Orders,
    Report,
    Settings,
    pack,
    unpack,
)
from haoscar_pxe.wire.heartbeat import SIZE_BYTES, TOKEN_BYTES

CONTROL_BYTES: Final = 1 << 16
DRAINED_AT_ONCE: Final = 64
"""Datagrams read from one socket before the others and the clock have their turn."""
PRIORITY: Final = 20
FROZEN_NS: Final = 100_000_000
"""Later than it wanted to be by so much: the process was stopped, or had no processor."""
_MCL_CURRENT: Final = 1
_MCL_FUTURE: Final = 2
_IP_FREEBIND: Final = 15
_IPV6_FREEBIND: Final = 78


def main(control_fd: int) -> None:
    """Keep the lease until the monitor at the other end of the socket is gone, or SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))
    control = socket.socket(fileno=control_fd)
    settings = unpack(Settings, control.recv(CONTROL_BYTES))
    sockets = [heartbeat_socket(each, settings) for each in settings.networks]
    wire = _Wire(settings, sockets)
    keeper = Keeper(
        settings,
        entrance(settings.guard) if settings.guard else None,
        wire.send,
        lambda: os.urandom(TOKEN_BYTES),
        boottime_ns(),
    )
    is_realtime = hurry()
    try:
        _Loop(keeper, control, sockets, is_realtime).run()
    finally:
        keeper.stop(boottime_ns())
        keeper.tick(boottime_ns())


def entrance(guard: Guard) -> Entrance:
    """A head's door, shut, and its addresses, none of which is there."""
    made = Entrance(KernelDoor(guard), Addresses(guard.addresses))
    made.door.shut()
    made.face.vanish()
    return made


def heartbeat_socket(network: Network, settings: Settings) -> socket.socket:
    """The own end of a heartbeat network, whether or not its interface is there yet."""
    own = network[settings.member]
    is_v4 = ip_address(own).version == 4
    made = socket.socket(socket.AF_INET if is_v4 else socket.AF_INET6, socket.SOCK_DGRAM)
    if is_v4:
        made.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
    else:
        made.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
    made.setblocking(False)
    made.bind((own, settings.port))
    return made


def hurry() -> bool:
    """Ask for real-time priority and locked memory; whether both were given."""
    gc.collect()
    gc.freeze()
    libc = ctypes.CDLL(None, use_errno=True)
    is_locked = bool(libc.mlockall(_MCL_CURRENT | _MCL_FUTURE) == 0)
    try:
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(PRIORITY))
    except OSError:
        return False
    return is_locked


class _Wire:
    """Sends to peers over every network."""

    def __init__(self, settings: Settings, sockets: Sequence[socket.socket]) -> None:
        self._paths = {
            peer: [
                (each, (network[peer], settings.port))
                for each, network in zip(sockets, settings.networks, strict=True)
            ]
            for peer in Member
        }

    def send(self, peer: Member, datagram: bytes) -> None:
        """See keeping.Send."""
        for path, address in self._paths[peer]:
            with suppress(OSError):
                path.sendto(datagram, address)


class _Loop:
    """Waits for datagrams, orders and instants, and gives them to the keeper."""

    def __init__(
        self,
        keeper: Keeper,
        control: socket.socket,
        sockets: Sequence[socket.socket],
        is_realtime: bool,
    ) -> None:
        self._keeper = keeper
        self._control = control
        self._networks = {each.fileno(): (at, each) for at, each in enumerate(sockets)}
        self._is_realtime = is_realtime
        self._told: object = None
        self._next_report = 0
        self._epoll = select.epoll()
        for fd in (control.fileno(), *self._networks):
            self._epoll.register(fd, select.EPOLLIN)

    def run(self) -> None:
        """Until the monitor's end of the socket is closed."""
        while True:
            due = min(self._keeper.next_tick(), self._next_report)
            ready = self._epoll.poll(max(0.0, (due - boottime_ns()) / 1e9))
            if boottime_ns() > due + FROZEN_NS:
                self._forget_the_past()
            for fd, _ in ready:
                if fd == self._control.fileno():
                    if not self._obey():
                        return
                else:
                    self._drain(*self._networks[fd])
            self._keeper.tick(boottime_ns())
            self._report(boottime_ns())

    def _forget_the_past(self) -> None:
        """This process stood still: what waits in its sockets was true then, and is not now."""
        for _, heartbeats in self._networks.values():
            with suppress(OSError):
                while True:
                    heartbeats.recv(SIZE_BYTES + 1)

    def _obey(self) -> bool:
        datagram = self._control.recv(CONTROL_BYTES)
        if datagram:
            self._keeper.told(unpack(Orders, datagram), boottime_ns())
        return bool(datagram)

    def _drain(self, network: int, heartbeats: socket.socket) -> None:
        for _ in range(DRAINED_AT_ONCE):
            try:
                datagram = heartbeats.recv(SIZE_BYTES + 1)
            except OSError:
                return
            self._keeper.heard(datagram, network, boottime_ns())

    def _report(self, now: int) -> None:
        """Say how it stands if that changed, or if it is time. A full socket is tried again."""
        report = replace(self._keeper.report(now), is_realtime=self._is_realtime)
        gist = _gist(report)
        if gist == self._told and now < self._next_report:
            return
        with suppress(BlockingIOError):
            self._control.send(pack(report), socket.MSG_DONTWAIT)
            self._told = gist
        self._next_report = now + REPORT_EVERY_NS


def _gist(report: Report) -> object:
    """What a monitor has to hear of at once."""
    return report.is_active, report.tenure, report.reason, report.guards_gone
