"""Honest clients for the storm: a node's DISCOVER to ACK, and a read by TFTP, as firmware does it.

Whoever is not answered within a second asks again, as firmware would. Each takes a function that is
called between its steps: there the storm goes on.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Final

from haoscar_pxe.errors import WireError
from haoscar_pxe.wire.dhcp_options import OptionCode
from haoscar_pxe.wire.dhcp_packet import CLIENT_PORT, MessageType, Op, Packet, decode, encode
from haoscar_pxe.wire.tftp_packet import SERVER_PORT as TFTP
from tests.faults.server_storm import DHCP, SERVER, question, request

AGAIN_S: Final = 1.0
MOST_TRIES: Final = 8
BUFFER_BYTES: Final = 32 << 20
SO_RCVBUFFORCE: Final = 33  # socket(7); not in the socket module
BLKSIZE: Final = 1428
WINDOWSIZE: Final = 8
OPCODES: Final = struct.Struct("!HH")
DATA, OACK, ACK = 3, 6, 4

Between = Callable[[], None]


class UnservedError(Exception):
    """What an honest client did not get."""


class DhcpClient:
    """All nodes on one socket. again: how often a question had to be asked again."""

    def __init__(self) -> None:
        self.again = 0
        self._xid = 0x7000_0000
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        self._sock.bind(("", CLIENT_PORT))

    def boots(self, chaddr: bytes, address: IPv4Address, between: Between) -> None:
        """The four packets. Raises UnservedError unless they give the node its own address."""
        given = self.takes(chaddr, between)
        if given.yiaddr != address or not given.file:
            raise UnservedError(f"{chaddr.hex(':')} was given {given}, not {address}")

    def takes(self, chaddr: bytes, between: Between = lambda: None) -> Packet:
        """The four packets; the ACK. Raises UnservedError."""
        self._xid += 1
        vendor = b"PXEClient:Arch:00007:UNDI:003000"
        discover = question(MessageType.DISCOVER, chaddr, self._xid, VENDOR_CLASS=vendor)
        offer = self._asked(discover, MessageType.OFFER, between)
        choice = question(
            MessageType.REQUEST,
            chaddr,
            self._xid,
            VENDOR_CLASS=vendor,
            REQUESTED_ADDRESS=offer.yiaddr.packed,
            SERVER_IDENTIFIER=offer.options[OptionCode.SERVER_IDENTIFIER],
        )
        return self._asked(choice, MessageType.ACK, between)

    def _asked(self, packet: Packet, kind: MessageType, between: Between) -> Packet:
        between()
        for _ in range(MOST_TRIES):
            self._sock.sendto(encode(packet), (str(SERVER), DHCP))
            between()
            if (found := self._heard(packet, kind)) is not None:
                return found
            self.again += 1
        raise UnservedError(f"{packet.mac} was sent no {kind.name}")

    def _heard(self, asked: Packet, kind: MessageType) -> Packet | None:
        """Everybody's answers arrive here, for they are broadcast."""
        until = time.monotonic() + AGAIN_S
        while (left := until - time.monotonic()) > 0:
            self._sock.settimeout(left)
            try:
                packet = decode(self._sock.recv(4096))
            except (TimeoutError, WireError):
                continue
            is_mine = (packet.op, packet.xid, packet.chaddr) == (
                Op.BOOTREPLY,
                asked.xid,
                asked.chaddr,
            )
            if is_mine and packet.message_type is kind:
                return packet
        return None


def tftp_read(name: bytes, between: Between) -> bytes:
    """The file's bytes. Raises UnservedError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(AGAIN_S)
        return _Reading(sock, between).read(name)


class _Reading:
    def __init__(self, sock: socket.socket, between: Between) -> None:
        self._sock = sock
        self._between = between
        self._got: list[bytes] = []

    def read(self, name: bytes) -> bytes:
        """In windows, each acknowledged as a whole, or up to where a block is missing."""
        said, peer = (
            request(name, b"blksize", b"%d" % BLKSIZE, b"windowsize", b"%d" % WINDOWSIZE),
            TFTP,
        )
        tries = 0
        self._between()
        self._sock.sendto(said, (str(SERVER), peer))
        while tries < MOST_TRIES:
            try:
                datagram, (_, peer) = self._sock.recvfrom(2048)
            except TimeoutError:
                tries += 1
            else:
                answer = self._answer(datagram)
                if answer is None:
                    continue
                tries, said = 0, answer
            self._sock.sendto(said, (str(SERVER), peer))
            if self._is_whole:
                return b"".join(self._got)
        raise UnservedError(
            f"TFTP stopped in the middle of {name!r}, after {len(self._got)} blocks"
        )

    @property
    def _is_whole(self) -> bool:
        return bool(self._got) and len(self._got[-1]) < BLKSIZE

    def _answer(self, datagram: bytes) -> bytes | None:
        """What is to be sent now; None: more of the window will come."""
        opcode, block = OPCODES.unpack_from(datagram)
        if opcode == OACK:
            self._between()
            return OPCODES.pack(ACK, 0)
        if opcode != DATA:
            raise UnservedError(f"TFTP said {datagram[:80]!r}")
        if block != (len(self._got) + 1) % 65536:
            return OPCODES.pack(ACK, len(self._got) % 65536)
        self._got.append(datagram[4:])
        if len(self._got) % WINDOWSIZE and not self._is_whole:
            return None
        return OPCODES.pack(ACK, block)
