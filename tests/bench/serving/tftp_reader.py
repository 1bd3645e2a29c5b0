"""One reader of a file by TFTP that compares every byte with what must come.

Sources: RFC 1350, RFC 2347, RFC 7440 (a window is acknowledged as a whole, and once for each gap).
It is written for speed: whatever it spends, the server that is measured cannot have.
"""

from __future__ import annotations

import socket
from typing import Final

from haoscar_pxe.wire.tftp_packet import (
    BLOCK_NUMBERS,
    SERVER_PORT,
    Error,
    Oack,
    Opcode,
    Request,
    data_header,
    decode,
    encode,
)
from tests.bench.serving.burst import HEADER_BYTES, Burst
from tests.bench.serving.expected import Expected

RECEIVE_BUFFER_BYTES: Final = 1 << 20
OLD_BLKSIZE: Final = 512  # RFC 1350
DATA: Final = bytes([0, Opcode.DATA])
HEADERS: Final = b"".join(map(data_header, (*range(BLOCK_NUMBERS), *range(64))))
"""Of all blocks in their order, and some more, so that a window that wraps is one slice."""
ACKS: Final = [
    bytes([0, Opcode.ACK]) + HEADERS[4 * i + 2 : 4 * i + 4] for i in range(BLOCK_NUMBERS)
]


class WrongBytesError(Exception):
    """The server sent something else than the file."""


class Reader:
    """Speaks to one server until it has the file. heard_at is for whoever watches the time."""

    def __init__(self, server: str, copy: Expected, burst: Burst) -> None:
        """burst: may be shared by all readers of a process; it is used within one call only."""
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self.sock.bind(("", 0))
        self._server = server
        self._copy = copy
        self._burst = burst
        self._blksize, self._windowsize = OLD_BLKSIZE, 1
        self._blocks = 0
        self._since_ack = 0
        self._is_connected = self._is_gap_told = False
        self.heard_at = 0.0
        self.is_complete = False

    @property
    def bytes_read(self) -> int:
        """How much of the file came, in order."""
        return min(self._blocks * self._blksize, len(self._copy.view))

    def ask(self, filename: str, blksize: int, windowsize: int) -> None:
        """Send the request; once there was an answer, the last ACK again."""
        if self._is_connected:
            self._acknowledge()
            return
        wanted = (("blksize", blksize, OLD_BLKSIZE), ("windowsize", windowsize, 1))
        options = tuple((name, str(value)) for name, value, usual in wanted if value != usual)
        self.sock.sendto(encode(Request(filename, "octet", options)), (self._server, SERVER_PORT))

    def on_readable(self) -> None:
        """Take what is there. Raises WrongBytesError, OSError."""
        if not self._is_connected:
            self._meet()
        elif self._windowsize == 1:
            self._take(self.sock.recv(HEADER_BYTES + self._blksize))
        else:
            self._take_burst(self._burst.receive(self.sock.fileno()))

    def _meet(self) -> None:
        """The first answer comes from the port that the transfer has from now on."""
        datagram, peer = self.sock.recvfrom(HEADER_BYTES + self._burst.blksize)
        self.sock.connect(peer)
        self._is_connected = True
        if datagram.startswith(DATA):
            self._take(datagram)
            return
        match decode(datagram):
            case Oack(pairs):
                options = dict(pairs)
                self._blksize = int(options.get("blksize", OLD_BLKSIZE))
                self._windowsize = int(options.get("windowsize", 1))
                self._acknowledge()
            case Error(code, message):
                raise WrongBytesError(f"ERROR {code}: {message}")
            case other:
                raise WrongBytesError(repr(other)[:200])

    def _take_burst(self, count: int) -> None:
        """As one where all is what must come next, else datagram by datagram."""
        self._is_gap_told = False
        burst, size, offset = self._burst, self._blksize, self._blocks * self._blksize
        at = HEADER_BYTES * ((self._blocks + 1) % BLOCK_NUMBERS)
        sizes = burst.sizes(count)
        if (
            self._since_ack + count <= self._windowsize
            and sizes == [size + HEADER_BYTES] * count
            and bytes(burst.headers[: HEADER_BYTES * count])
            == HEADERS[at : at + HEADER_BYTES * count]
            and burst.matches(self._copy, offset, size * count)
        ):
            self._came(count, is_last=False)
            return
        for number, received in enumerate(sizes):
            header = burst.headers[HEADER_BYTES * number : HEADER_BYTES * (number + 1)]
            start = number * burst.blksize
            self._take(bytes(header) + burst.payloads[start : start + received - HEADER_BYTES])

    def _take(self, datagram: bytes) -> None:
        at = HEADER_BYTES * ((self._blocks + 1) % BLOCK_NUMBERS)
        if datagram[:HEADER_BYTES] != HEADERS[at : at + HEADER_BYTES]:
            self._out_of_order()
            return
        offset = self._blocks * self._blksize
        if bytes(self._copy.view[offset : offset + self._blksize]) != datagram[HEADER_BYTES:]:
            raise WrongBytesError(f"block {self._blocks + 1}, {len(datagram)} bytes")
        self._came(1, is_last=len(datagram) < HEADER_BYTES + self._blksize)

    def _came(self, blocks: int, *, is_last: bool) -> None:
        self._blocks += blocks
        self._since_ack += blocks
        self._is_gap_told = False
        self.is_complete = is_last
        if is_last or self._since_ack >= self._windowsize:
            self._acknowledge()

    def _out_of_order(self) -> None:
        """A block is missing, or came twice, since our ACK was lost: it is said again."""
        if self._windowsize == 1 or not self._is_gap_told:
            self._is_gap_told = True
            self._acknowledge()

    def _acknowledge(self) -> None:
        self._since_ack = 0
        self.sock.send(ACKS[self._blocks % BLOCK_NUMBERS])
