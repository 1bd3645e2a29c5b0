"""TFTP on port 69: a request is looked up, refused at once, or given a transfer of its own.

The names a client may read are whatever Answers knows; nothing here turns a name into a path.
Names below boot/ are looked up in a thread: the first node of a generation has its files made.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
from ipaddress import IPv4Address
from typing import Final

from haoscar_pxe.errors import HaoscarError, WireError
from haoscar_pxe.nodes.asking import FileAnswer
from haoscar_pxe.nodes.timeline import Happening
from haoscar_pxe.serve.answers import Answers
from haoscar_pxe.serve.counters import Counters
from haoscar_pxe.serve.segmentation import Sender
from haoscar_pxe.serve.sockets import open_transfer
from haoscar_pxe.serve.tftp_source import OpenSource, open_source
from haoscar_pxe.serve.tftp_transfers import LONGEST_NAME, Peer, Running, Transfers
from haoscar_pxe.wire.tftp_blocks import RunStore
from haoscar_pxe.wire.tftp_options import Limits, negotiate
from haoscar_pxe.wire.tftp_packet import ErrorCode, Opcode, Request, decode
from haoscar_pxe.wire.tftp_transfer import Transfer, refusal

log = logging.getLogger(__name__)

LONGEST_DATAGRAM: Final = 2048
BATCH: Final = 64
MOST_TRANSFERS: Final = 8192
MOST_LOOKUPS: Final = 256
"""Names that are being looked up in threads; whoever comes beyond that asks again by itself."""
BOOT_FILE: Final = re.compile(r"boot/([0-9A-Za-z][0-9A-Za-z._-]*(?:/[0-9A-Za-z][0-9A-Za-z._-]*)+)")
MODES: Final = ("octet", "netascii")
IDLE_LOOK_S: Final = 0.02
ASKS: Final = (bytes([0, Opcode.RRQ]), bytes([0, Opcode.WRQ]))


class TftpService:
    """Owns the request socket and the transfers that came of it."""

    def __init__(
        self,
        sock: socket.socket,
        server_ip: IPv4Address,
        answers: Answers,
        counters: Counters,
        limits: Limits,
    ) -> None:
        """To be made on the running loop."""
        self._sock = sock
        self._server_ip = str(server_ip)
        self._answers = answers
        self._counters = counters
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._transfers = Transfers(self._loop, counters, answers.happened)
        self._runs = RunStore()
        self._lookups: dict[Peer, asyncio.Task[None]] = {}

    def on_readable(self) -> None:
        """Take requests; called by the loop whenever there is one."""
        for _ in range(BATCH):
            try:
                datagram, peer = self._sock.recvfrom(LONGEST_DATAGRAM)
            except OSError:
                return
            self._handle(datagram, peer)

    async def drain(self, grace_s: float) -> None:
        """Let transfers under way end by themselves for so long, then end them."""
        for lookup in self._lookups.values():
            lookup.cancel()
        until = self._loop.time() + grace_s
        while len(self._transfers) and self._loop.time() < until:
            await asyncio.sleep(IDLE_LOOK_S)
        self._transfers.close()

    def _handle(self, datagram: bytes, peer: Peer) -> None:
        """The boundary of one request: nothing gets past it."""
        try:
            packet = decode(datagram)
            if not isinstance(packet, Request):
                raise WireError(f"port 69 takes requests, not {type(packet).__name__}")
            self._answer(packet, peer)
        except WireError as error:
            self._counters.count("tftp malformed")
            log.debug("tftp %s: not understood: %s", peer[0], error)
            if datagram.startswith(ASKS):
                self._refuse(peer, ErrorCode.ILLEGAL_OPERATION, "not a request")
        except Exception:
            self._counters.count("tftp failed")
            log.exception("tftp %s: cannot be answered", peer[0])
            self._refuse(peer, ErrorCode.NOT_DEFINED, "the server failed; its log says why")

    def _answer(self, request: Request, peer: Peer) -> None:
        if request.is_write:
            self._tell(request, peer, ErrorCode.ACCESS_VIOLATION, "this server is read-only")
        elif request.mode not in MODES:
            self._tell(request, peer, ErrorCode.ILLEGAL_OPERATION, "mode is octet or netascii")
        elif self._is_repeated(request, peer):
            self._counters.count("tftp repeated")
        elif len(self._transfers) >= MOST_TRANSFERS:
            self._counters.count("tftp too many")  # it asks again by itself
        else:
            self._begin(request, peer)

    def _is_repeated(self, request: Request, peer: Peer) -> bool:
        """A request sent twice starts one transfer; a new one from the same port ends the old.

        PXE ROMs use the same port for all their requests and do not always say ERROR in between.
        """
        running = self._transfers.of_peer(peer)
        if running is None:
            return False
        if running.request == request and running.transfer.may_be_under_way(self._loop.time()):
            return True
        self._transfers.drop(running, "the client asked for something else")
        return False

    def _begin(self, request: Request, peer: Peer) -> None:
        name = request.filename.lstrip("/")
        if found := BOOT_FILE.fullmatch(name):
            self._look_up(found[1], request, peer)
        else:
            self._give(self._answers.tftp(name, peer[0]), request, peer)

    def _look_up(self, name: str, request: Request, peer: Peer) -> None:
        """Ask in a thread, once for each peer: it asks again and again meanwhile."""
        if peer in self._lookups or len(self._lookups) >= MOST_LOOKUPS:
            self._counters.count("tftp repeated")
            return
        lookup = self._loop.create_task(self._looked_up(name, request, peer))
        self._lookups[peer] = lookup
        lookup.add_done_callback(lambda _: self._lookups.pop(peer))

    async def _looked_up(self, name: str, request: Request, peer: Peer) -> None:
        """The boundary of one request that was looked up in a thread."""
        try:
            self._give(await asyncio.to_thread(self._answers.boot_file, name), request, peer)
        except HaoscarError as error:
            log.error("tftp %s asked for %r: %s", peer[0], request.filename, error)
            self._tell(request, peer, ErrorCode.NOT_DEFINED, "the server cannot make it")
        except Exception:
            self._counters.count("tftp failed")
            log.exception("tftp %s: cannot be answered", peer[0])
            self._refuse(peer, ErrorCode.NOT_DEFINED, "the server failed; its log says why")

    def _give(self, answer: FileAnswer | None, request: Request, peer: Peer) -> None:
        if answer is None:
            self._tell(request, peer, ErrorCode.FILE_NOT_FOUND, "file not found")
            return
        try:
            source = open_source(answer, request.mode)
        except OSError as error:
            log.error("tftp %s asked for %r: %s", peer[0], request.filename, error)
            self._tell(request, peer, ErrorCode.FILE_NOT_FOUND, "file not found")
            return
        self._start(request, peer, source)

    def _start(self, request: Request, peer: Peer, source: OpenSource) -> None:
        try:
            sock = open_transfer(self._server_ip, peer)
        except OSError as error:  # out of descriptors, or an address that nobody can have
            source.close()
            self._counters.count("tftp failed")
            log.warning("tftp %s: no socket for %r: %s", peer[0], request.filename, error)
            return
        terms = negotiate(request, source.size_bytes, self._limits)
        self._transfers.start(
            Running(
                transfer=Transfer(source, terms, self._runs),
                sock=sock,
                source=source,
                sender=Sender(),
                peer=peer,
                request=request,
                started_at=self._loop.time(),
            )
        )

    def _tell(self, request: Request, peer: Peer, code: ErrorCode, message: str) -> None:
        self._counters.count("tftp refused")
        log.info("tftp %s asked for %r: %s", peer[0], request.filename, message)
        refused = f"{request.filename[:LONGEST_NAME]!r}: {message}"
        happening = Happening(at_ns=time.time_ns(), kind="refused", message=refused)
        self._answers.happened(peer[0], happening)
        self._refuse(peer, code, message)

    def _refuse(self, peer: Peer, code: ErrorCode, message: str) -> None:
        """From the request's port, as most servers do: there is no transfer it could belong to."""
        try:
            self._sock.sendto(refusal(code, message), peer)
        except OSError as error:
            self._counters.count("tftp not sent")
            log.debug("tftp %s: not sent: %s", peer[0], error)
