"""One read transfer: the sender's half of TFTP as a state machine of datagrams and instants.

Sources: RFC 1350 section 6 and RFC 1123 section 4.2.3.1 (Sorcerer's Apprentice), RFC 2347 (an
OACK is acknowledged as block 0), RFC 7440 (a window is acknowledged as a whole, or up to where a
block is missing). It holds no socket and reads no clock: instants are seconds of any clock that
never goes back. Every call returns what is to be done, in order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, TypeAlias

from haoscar_pxe.errors import WireError
from haoscar_pxe.wire.round_trip import RoundTrip
from haoscar_pxe.wire.tftp_blocks import Blocks, RunStore, Source
from haoscar_pxe.wire.tftp_options import Terms
from haoscar_pxe.wire.tftp_packet import (
    BLOCK_NUMBERS,
    Ack,
    Error,
    ErrorCode,
    acknowledged_block,
    decode,
    encode,
)

SILENCE_S: Final = 30.0  # PXE ROMs give up long before
RESTARTS_AFTER_S: Final = 1.0
"""Who restarts without a word falls silent first, and asks until it is heard."""
OACK_BLOCK: Final = 0  # RFC 2347: the OACK is acknowledged as block 0


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


class Transfer:
    """Sends one file to one client.

    Blocks are counted from 1 without wrapping here; the OACK is block 0. `deadline` is the
    instant at which `expired` is to be called unless another call moved it; infinite at the end.
    """

    def __init__(self, source: Source, terms: Terms, store: RunStore) -> None:
        """store: shared by all transfers of a server."""
        self._size_bytes = source.size_bytes
        self._terms = terms
        self._blocks = Blocks(source, terms.blksize, store)
        self._last = self._blocks.last
        self._acknowledged = OACK_BLOCK - 1 if terms.oack else 0
        self._sent = self._acknowledged
        self._highest_sent = self._acknowledged
        self._round_trip = RoundTrip(terms.timeout_s)
        self._sent_at = self._heard_at = 0.0
        self._is_sample = False
        self._echoes = 0
        self.deadline = math.inf
        self.resent_blocks = 0

    @property
    def acknowledged_bytes(self) -> int:
        """How much of the file the client has said to hold."""
        return min(max(0, self._acknowledged) * self._terms.blksize, self._size_bytes)

    def may_be_under_way(self, now: float) -> bool:
        """Whether its own request, coming once more, is an old one that changes nothing.

        A client whose request waits in the queue of a busy server repeats it, and may be in the
        middle of the file when the repetition is read.
        """
        is_untouched = self._acknowledged == (OACK_BLOCK - 1 if self._terms.oack else 0)
        return is_untouched or now - self._heard_at < RESTARTS_AFTER_S

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
        if not self._is_sample:
            self._count_again(first, last)
        self._sent = last
        if last > self._highest_sent:
            self._highest_sent = last
        self._sent_at = now
        self.deadline = min(now + self._round_trip.timeout_s, self._heard_at + SILENCE_S)
        if self._terms.oack and first == OACK_BLOCK:
            return [_whole(encode(self._terms.oack))]
        return self._send_blocks(first, last)

    def _count_again(self, first: int, last: int) -> None:
        again = max(0, min(self._highest_sent, last) - first + 1)
        self.resent_blocks += again
        self._echoes += again

    def _send_blocks(self, first: int, last: int) -> list[Action]:
        """One message for each run of blocks that the window lies in: usually one."""
        actions: list[Action] = []
        while first <= last:
            if (run := self._blocks.run_with(first)) is None:
                return self._give_up("the file became shorter while it was sent")
            end = min(last, run.blocks.stop - 1)
            actions.append(Send(run.datagrams(first, end), run.datagram_bytes))
            first = end + 1
        return actions

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
