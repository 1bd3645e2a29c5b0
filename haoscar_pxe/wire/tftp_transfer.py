"""One read transfer: the sender's half of TFTP as a state machine of datagrams and instants.

Sources: RFC 1350 section 6 and RFC 1123 section 4.2.3.1 (Sorcerer's Apprentice), RFC 2347 (an
OACK is acknowledged as block 0), RFC 7440 (a window is acknowledged as a whole, or up to where a
block is missing). It holds no socket and reads no clock: instants are seconds of any clock that
never goes back. Every call returns what is to be done, in order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from haoscar_pxe.errors import WireError
from haoscar_pxe.wire.round_trip import RoundTrip
from haoscar_pxe.wire.tftp_options import Terms
from haoscar_pxe.wire.tftp_packet import (
    BLOCK_NUMBERS,
    HEADER_BYTES,
    Ack,
    Error,
    ErrorCode,
    acknowledged_block,
    data_header,
    decode,
    encode,
)

SILENCE_S: Final = 30.0  # PXE ROMs give up long before
AHEAD_BYTES: Final = 64 << 10
OACK_BLOCK: Final = 0  # RFC 2347: the OACK is acknowledged as block 0


class Source(Protocol):
    """What is sent. A file may shrink meanwhile: then read returns less than was asked for."""

    @property
    def size_bytes(self) -> int:
        """The same through the whole transfer."""
        ...

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        """The bytes there; called again for what must be sent again."""
        ...


@dataclass(frozen=True, slots=True)
class Send:
    """Datagrams to send, one behind the other in one piece of memory.

    size_bytes: of each but perhaps the last, so that the kernel may be given the whole as one
    message to cut up (UDP_SEGMENT). One that cannot be sent counts as lost.
    """

    datagrams: bytes | memoryview
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The client has the whole file."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The transfer is over without that."""

    reason: str


Action: TypeAlias = Send | Finished | Failed


@dataclass(frozen=True, slots=True)
class _Run:
    """Some blocks in their order as datagrams, one behind the other."""

    blocks: range
    datagram_bytes: int
    content: memoryview

    @classmethod
    def of(cls, content: bytes, blocks: range, blksize: int) -> _Run:
        """Cut up what the file has in those blocks; its last one may be short or empty."""
        view = memoryview(content)
        pieces: list[bytes | memoryview] = []
        for start, block in zip(range(0, len(blocks) * blksize, blksize), blocks, strict=True):
            pieces.append(data_header(block % BLOCK_NUMBERS))
            pieces.append(view[start : start + blksize])
        return cls(blocks, HEADER_BYTES + blksize, memoryview(b"".join(pieces)))

    def holds(self, first: int, last: int) -> bool:
        """Whether all of those blocks are here."""
        return self.blocks.start <= first and last < self.blocks.stop

    def datagrams(self, first: int, last: int) -> memoryview:
        """Those blocks, headers included."""
        size, start = self.datagram_bytes, self.blocks.start
        return self.content[(first - start) * size : (last + 1 - start) * size]


_NOTHING: Final = _Run(range(0), 0, memoryview(b""))


class Transfer:
    """Sends one file to one client.

    Blocks are counted from 1 without wrapping here; the OACK is block 0. `deadline` is the
    instant at which `expired` is to be called unless another call moved it; infinite at the end.
    """

    def __init__(self, source: Source, terms: Terms) -> None:
        self._source = source
        self._terms = terms
        self._last = source.size_bytes // terms.blksize + 1
        self._acknowledged = OACK_BLOCK - 1 if terms.oack else 0
        self._sent = self._acknowledged
        self._highest_sent = self._acknowledged
        self._round_trip = RoundTrip(terms.timeout_s)
        self._sent_at = self._heard_at = 0.0
        self._is_sample = False
        self._echoes = 0
        self._ahead = _NOTHING
        self.deadline = math.inf
        self.resent_blocks = 0

    @property
    def acknowledged_bytes(self) -> int:
        """How much of the file the client has said to hold."""
        return min(max(0, self._acknowledged) * self._terms.blksize, self._source.size_bytes)

    @property
    def is_untouched(self) -> bool:
        """Nothing was acknowledged yet, so the client may just be asking a second time."""
        return self._acknowledged == (OACK_BLOCK - 1 if self._terms.oack else 0)

    def start(self, now: float) -> list[Action]:
        """The OACK, or the first block where no option was agreed."""
        self._heard_at = now
        return self._send_window(now)

    def received(self, datagram: bytes, now: float) -> list[Action]:
        """Answer what the client sent. Raises WireError for what no reader sends; nothing changes.

        An ERROR ends the transfer and is never answered (RFC 1350 section 7).
        """
        if (block := acknowledged_block(datagram)) is not None:
            self._heard_at = now
            return self._acknowledge(block, now)
        match decode(datagram):
            case Ack(block):  # with something behind it
                self._heard_at = now
                return self._acknowledge(block, now)
            case Error(code, message):
                return self._end(Failed(f"the client said ERROR {code}: {message or 'no reason'}"))
            case other:
                raise WireError(f"a client that reads sends ACK, not {type(other).__name__}")

    def expired(self, now: float) -> list[Action]:
        """No ACK came until the deadline: send the window again, or give up."""
        if now - self._heard_at >= SILENCE_S:
            return self._end(Failed(f"the client has been silent for {SILENCE_S:g} s"))
        self._round_trip.expired()
        return self._send_window(now)

    def unreachable(self) -> list[Action]:
        """The client's port is closed (ICMP).

        Clients close it as soon as they have sent the last ACK, and nobody hears if that was lost.
        """
        if self._sent == self._last:
            return self._end(Finished())
        return self._end(Failed("the client has closed its port"))

    def _acknowledge(self, block: int, now: float) -> list[Action]:
        """A stale ACK is ignored, never answered."""
        distance = (block - self._acknowledged) % BLOCK_NUMBERS
        if distance > self._sent - self._acknowledged:
            return []
        if distance == 0:
            return self._repeat(now)
        if self._is_sample:
            self._round_trip.measured(now - self._sent_at)
            self._echoes = 0
        self._round_trip.answered()
        self._acknowledged += distance
        if self._acknowledged == self._last:
            return self._end(Finished())
        return self._send_window(now)

    def _repeat(self, now: float) -> list[Action]:
        """The ACK of last time again: in a window it says that the next block is missing.

        Without a window it says nothing (Sorcerer's Apprentice). In a window the apprentice is
        kept out by counting: each block sent again may bring such an ACK from a client that had
        it already, so as many are ignored, until a window sent only once is acknowledged.
        """
        if self._terms.windowsize == 1:
            return []
        if self._echoes:
            self._echoes -= 1
            return []
        return self._send_window(now)

    def _send_window(self, now: float) -> list[Action]:
        """Send from the first unacknowledged block on, as many as the window allows (go-back-N)."""
        first = self._acknowledged + 1
        last = min(self._acknowledged + self._terms.windowsize, self._last) if first else OACK_BLOCK
        self._is_sample = first > self._highest_sent
        again = max(0, min(self._highest_sent, last) - first + 1)
        self.resent_blocks += again
        self._echoes += again
        self._sent = last
        self._highest_sent = max(self._highest_sent, last)
        self._sent_at = now
        self.deadline = min(now + self._round_trip.timeout_s, self._heard_at + SILENCE_S)
        if self._terms.oack and first == OACK_BLOCK:
            return [_whole(encode(self._terms.oack))]
        return self._send_blocks(first, last)

    def _send_blocks(self, first: int, last: int) -> list[Action]:
        if not self._ahead.holds(first, last):
            self._ahead = self._read_ahead(first, last)
        if not self._ahead.holds(first, last):
            return self._give_up("the file became shorter while it was sent")
        return [Send(self._ahead.datagrams(first, last), self._ahead.datagram_bytes)]

    def _read_ahead(self, first: int, last: int) -> _Run:
        """Whole windows from that block on; a read and a copy for each block would cost more."""
        blksize, window = self._terms.blksize, last - first + 1
        blocks = window * max(1, AHEAD_BYTES // (window * blksize))
        end = min(first + blocks, self._last + 1)
        offset = (first - 1) * blksize
        wanted = min((end - first) * blksize, self._source.size_bytes - offset)
        content = self._source.read(offset, wanted)
        return _Run.of(content, range(first, end), blksize) if len(content) == wanted else _NOTHING

    def _give_up(self, reason: str) -> list[Action]:
        """Something is wrong on our side: the client is told, so that it need not wait."""
        said = refusal(ErrorCode.NOT_DEFINED, reason)
        return [_whole(said), *self._end(Failed(reason))]

    def _end(self, end: Finished | Failed) -> list[Action]:
        self.deadline = math.inf
        return [end]


def _whole(datagram: bytes) -> Send:
    return Send(datagram, len(datagram))


def refusal(code: ErrorCode, message: str) -> bytes:
    """The ERROR packet that answers a request instead of a transfer."""
    return encode(Error(code, message))
