"""All TFTP transfers under way: one connected socket each, in one epoll, and their deadlines.

The asyncio loop watches only the epoll's own descriptor: a DatagramProtocol for each transfer was
measured to be four times slower. Sockets are found by their descriptor, never by a closure.
"""

from __future__ import annotations

import asyncio
import logging
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from haoscar_pxe.errors import WireError
from haoscar_pxe.nodes.timeline import Happening, Kind
from haoscar_pxe.serve.counters import Counters
from haoscar_pxe.serve.segmentation import Sender
from haoscar_pxe.serve.tftp_source import OpenSource
from haoscar_pxe.wire.tftp_packet import ErrorCode, Request
from haoscar_pxe.wire.tftp_transfer import Action, Failed, Finished, Send, Transfer, refusal

log = logging.getLogger(__name__)

Peer: TypeAlias = tuple[str, int]
LONGEST_DATAGRAM: Final = 2048  # a reader sends ACK and ERROR
ROUNDS: Final = 16  # epoll rounds a wake-up, so that DHCP and HTTP have their turn
EVENTS: Final = 256
LONGEST_NAME: Final = 128  # of a file, in a timeline
TICK_S: Final = 0.005  # a third of the shortest wait for an ACK


@dataclass(frozen=True, slots=True)
class Running:
    """A transfer and what belongs to it. request: what it came of."""

    transfer: Transfer
    sock: socket.socket
    source: OpenSource
    sender: Sender
    peer: Peer
    request: Request
    started_at: float

    @property
    def filename(self) -> str:
        """As asked for."""
        return self.request.filename


class Transfers:
    """Drives every transfer from its first datagram to its end."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        counters: Counters,
        happened: Callable[[str, Happening], None],
    ) -> None:
        """happened: see Answers."""
        self._happened = happened
        self._loop = loop
        self._counters = counters
        self._epoll = select.epoll()
        self._by_fd: dict[int, Running] = {}
        self._by_peer: dict[Peer, Running] = {}
        self._timer: asyncio.TimerHandle | None = None
        loop.add_reader(self._epoll.fileno(), self._on_ready)

    def __len__(self) -> int:
        return len(self._by_fd)

    def of_peer(self, peer: Peer) -> Running | None:
        """The transfer under way to that address and port."""
        return self._by_peer.get(peer)

    def start(self, running: Running) -> None:
        """Take over the transfer, its socket and its source, and send its first datagram."""
        fd = running.sock.fileno()
        self._by_fd[fd] = running
        self._by_peer[running.peer] = running
        self._epoll.register(fd, select.EPOLLIN)
        self._counters.count("tftp started")
        self._advance(running, running.transfer.start)
        if self._timer is None:
            self._timer = self._loop.call_later(TICK_S, self._tick)

    def drop(self, running: Running, reason: str) -> None:
        """End a transfer without a word: its client already does something else."""
        self._perform(running, [Failed(reason)])

    def close(self) -> None:
        """End all of them and let the loop go."""
        for running in list(self._by_fd.values()):
            self._give_up(running, "the server stops")
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _give_up(self, running: Running, reason: str) -> None:
        """End a transfer from our side; the client is told, so that it need not wait."""
        said = refusal(ErrorCode.NOT_DEFINED, reason)
        self._perform(running, [Send(said, len(said)), Failed(reason)])

    def _on_ready(self) -> None:
        """One datagram of every socket that has some, again until none has or others must run."""
        for _ in range(ROUNDS):
            events = self._epoll.poll(0, EVENTS)
            for fd, _mask in events:
                running = self._by_fd.get(fd)
                if running is not None:
                    self._receive(running)
            if not events:
                return

    def _receive(self, running: Running) -> None:
        try:
            datagram = running.sock.recv(LONGEST_DATAGRAM)
        except BlockingIOError:
            return
        except OSError:  # the client's port is closed, or the way to it is gone
            self._perform(running, running.transfer.unreachable())
            return
        self._advance(running, lambda now: running.transfer.received(datagram, now))

    def _advance(self, running: Running, step: Callable[[float], list[Action]]) -> None:
        """Take one step at once. This is where everything that can happen to a transfer ends."""
        try:
            self._perform(running, step(self._loop.time()))
        except WireError as error:
            self._counters.count("tftp malformed")
            log.debug("tftp %s: not understood: %s", running.peer[0], error)
        except Exception as error:
            log.exception("tftp %s %r", running.peer[0], running.filename)
            self._give_up(running, f"the server failed: {type(error).__name__}")

    def _perform(self, running: Running, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send():
                    self._send(running, action)
                case Finished():
                    self._end(running)
                    self._counters.count("tftp finished")
                    log.info("tftp %s got %r: %s", running.peer[0], *self._told(running))
                    self._note(running, "fetched", "")
                case Failed(reason):
                    self._end(running)
                    self._counters.count("tftp failed")
                    name, told = self._told(running)
                    log.info("tftp %s not all of %r: %s; %s", running.peer[0], name, reason, told)
                    self._note(running, "broke off", f": {reason}")

    def _note(self, running: Running, kind: Kind, why: str) -> None:
        """For the machine's timeline."""
        happening = Happening(
            at_ns=time.time_ns(),
            kind=kind,
            message=f"{running.filename[:LONGEST_NAME]!r}{why}",
            size_bytes=running.transfer.acknowledged_bytes,
            took_s=self._loop.time() - running.started_at,
        )
        self._happened(running.peer[0], happening)

    def _send(self, running: Running, send: Send) -> None:
        """What the kernel does not take is lost; the deadline sees to it, as if lost on the way."""
        try:
            running.sender.send(running.sock, send.datagrams, send.size_bytes)
        except BlockingIOError:
            self._counters.count("tftp send buffer full")
        except OSError as error:
            self._counters.count("tftp not sent")
            log.debug("tftp %s: not sent: %s", running.peer[0], error)

    def _end(self, running: Running) -> None:
        fd = running.sock.fileno()
        if self._by_fd.pop(fd, None) is None:
            return
        if self._by_peer.get(running.peer) is running:
            del self._by_peer[running.peer]
        self._epoll.unregister(fd)
        running.sock.close()
        running.source.close()

    def _told(self, running: Running) -> tuple[str, str]:
        transfer = running.transfer
        seconds = self._loop.time() - running.started_at
        resent = f", {transfer.resent_blocks} blocks resent" if transfer.resent_blocks else ""
        return running.filename, f"{transfer.acknowledged_bytes} bytes in {seconds:.2f} s{resent}"

    def _tick(self) -> None:
        """Look at every deadline: 1000 transfers cost 10 ms a second, and none can be forgotten."""
        now = self._loop.time()
        for running in list(self._by_fd.values()):
            if running.transfer.deadline <= now:
                self._advance(running, running.transfer.expired)
        self._timer = self._loop.call_later(TICK_S, self._tick) if self._by_fd else None
