from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.errors import WireError
from haoscar_pxe.wire.round_trip import FLOOR_S
from haoscar_pxe.wire.tftp_blocks import RUN_BLOCKS, RunStore
from haoscar_pxe.wire.tftp_options import Terms
from haoscar_pxe.wire.tftp_packet import Ack, Data, Error, Oack, decode, encode
from haoscar_pxe.wire.tftp_transfer import SILENCE_S, Action, Failed, Finished, Send, Transfer

OACK = Oack((("tsize", "0"),))


@dataclass
class Content:
    """A source in memory that can shrink."""

    content: bytes
    size_bytes: int = 0
    identity = None

    def __post_init__(self) -> None:
        self.size_bytes = len(self.content)

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        return self.content[offset_bytes : offset_bytes + size_bytes]


def sending(source: Content, terms: Terms) -> Transfer:
    return Transfer(source, terms, RunStore())


def blocks(actions: list[Action]) -> list[int]:
    """The block numbers that are sent, as on the wire."""
    return [packet.block for packet in packets(actions) if isinstance(packet, Data)]


def packets(actions: list[Action]) -> list[object]:
    return [
        decode(bytes(send.datagrams[start : start + send.size_bytes]))
        for send in actions
        if isinstance(send, Send)
        for start in range(0, len(send.datagrams), send.size_bytes)
    ]


def ack(transfer: Transfer, block: int, now: float) -> list[Action]:
    return transfer.received(encode(Ack(block)), now)


def test_lock_step_sends_each_block_after_the_ack_of_the_one_before() -> None:
    transfer = sending(Content(b"x" * 1025), Terms())
    assert packets(transfer.start(0.0)) == [Data(1, b"x" * 512)]
    assert packets(ack(transfer, 1, 0.1)) == [Data(2, b"x" * 512)]
    assert packets(ack(transfer, 2, 0.2)) == [Data(3, b"x")]
    assert ack(transfer, 3, 0.3) == [Finished()]
    assert transfer.deadline == math.inf


@pytest.mark.parametrize(("size", "last"), [(0, 1), (511, 1), (512, 2), (1024, 3)])
def test_a_full_last_block_is_followed_by_an_empty_one(size: int, last: int) -> None:
    transfer = sending(Content(b"x" * size), Terms())
    transfer.start(0.0)
    for block in range(1, last):
        assert blocks(ack(transfer, block, 0.0)) == [block + 1]
    assert ack(transfer, last, 0.0) == [Finished()]


def test_an_oack_comes_first_and_is_acknowledged_as_block_0() -> None:
    transfer = sending(Content(b"abc"), Terms(oack=OACK))
    assert packets(transfer.start(0.0)) == [OACK]
    assert ack(transfer, 1, 0.1) == []
    assert packets(ack(transfer, 0, 0.2)) == [Data(1, b"abc")]


def test_stale_ack_is_not_answered() -> None:
    """RFC 1123 section 4.2.3.1: answering it would send every block twice from then on."""
    transfer = sending(Content(b"x" * 5000), Terms())
    transfer.start(0.0)
    assert blocks(ack(transfer, 1, 0.1)) == [2]
    assert ack(transfer, 1, 0.2) == []
    assert ack(transfer, 0, 0.3) == []
    assert ack(transfer, 3, 0.4) == []
    assert blocks(ack(transfer, 2, 0.5)) == [3]


def test_an_error_ends_the_transfer_without_an_answer() -> None:
    transfer = sending(Content(b"x"), Terms(oack=OACK))
    transfer.start(0.0)
    actions = transfer.received(encode(Error(8, "User aborted the transfer")), 0.1)
    assert actions == [Failed("the client said ERROR 8: User aborted the transfer")]
    assert transfer.deadline == math.inf


def test_garbage_changes_nothing() -> None:
    transfer = sending(Content(b"x" * 600), Terms())
    transfer.start(0.0)
    before = transfer.deadline
    for datagram in (b"", b"\0\4", b"\0\x09\0\1", encode(Data(1, b"x")), encode(OACK)):
        with pytest.raises(WireError):
            transfer.received(datagram, 0.1)
    assert transfer.deadline == before
    assert blocks(ack(transfer, 1, 0.2)) == [2]


def test_block_numbers_wrap_past_65535() -> None:
    size = 8 * 65537 + 3
    transfer = sending(Content(bytes(8) * 65537 + b"end"), Terms(blksize=8))
    sent = transfer.start(0.0)
    seen = []
    for _ in range(65538):
        (number,) = blocks(sent)
        seen.append(number)
        sent = ack(transfer, number, 0.0)
    assert sent == [Finished()]
    assert seen[65533:] == [65534, 65535, 0, 1, 2]
    assert transfer.acknowledged_bytes == size


def test_a_window_is_sent_at_once_and_the_next_after_its_last_ack() -> None:
    transfer = sending(Content(b"x" * 512 * 9), Terms(windowsize=4, oack=OACK))
    transfer.start(0.0)
    assert blocks(ack(transfer, 0, 0.01)) == [1, 2, 3, 4]
    assert blocks(ack(transfer, 4, 0.02)) == [5, 6, 7, 8]
    assert blocks(ack(transfer, 8, 0.03)) == [9, 10]
    assert ack(transfer, 10, 0.04) == [Finished()]
    assert transfer.resent_blocks == 0


def test_an_ack_within_the_window_goes_back_to_the_missing_block() -> None:
    """RFC 7440 section 4: the sender starts the next window after the block acknowledged."""
    transfer = sending(Content(b"x" * 512 * 20), Terms(windowsize=4, oack=OACK))
    transfer.start(0.0)
    ack(transfer, 0, 0.01)
    assert blocks(ack(transfer, 2, 0.02)) == [3, 4, 5, 6]
    assert transfer.resent_blocks == 2


def test_of_repeated_acks_within_a_window_only_the_first_goes_back() -> None:
    """A client may repeat its ACK for every block that came behind the missing one."""
    transfer = sending(Content(b"x" * 512 * 20), Terms(windowsize=4, oack=OACK))
    transfer.start(0.0)
    ack(transfer, 0, 0.010)
    ack(transfer, 4, 0.020)
    assert blocks(ack(transfer, 4, 0.030)) == [5, 6, 7, 8]
    assert ack(transfer, 4, 0.030) == []
    assert ack(transfer, 4, 0.030) == []


def test_a_window_sent_again_for_nothing_does_not_double_the_next_ones() -> None:
    """A client that had it all says so for each block; those ACKs must not be believed."""
    transfer = sending(Content(b"x" * 512 * 20), Terms(windowsize=2, oack=OACK))
    transfer.start(0.0)
    ack(transfer, 0, 0.010)
    assert blocks(transfer.expired(transfer.deadline)) == [1, 2]
    assert blocks(ack(transfer, 2, 0.040)) == [3, 4]
    assert ack(transfer, 2, 0.041) == []
    assert ack(transfer, 2, 0.042) == []
    assert blocks(ack(transfer, 4, 0.050)) == [5, 6]
    assert blocks(ack(transfer, 4, 0.060)) == [5, 6]


def test_silence_is_answered_by_sending_the_window_again_later_and_later() -> None:
    transfer = sending(Content(b"x" * 5000), Terms(windowsize=3, oack=OACK))
    transfer.start(0.0)
    ack(transfer, 0, 0.001)
    waits = []
    now = 0.001
    for _ in range(5):
        waits.append(transfer.deadline - now)
        now = transfer.deadline
        assert blocks(transfer.expired(now)) == [1, 2, 3]
    assert waits == pytest.approx([FLOOR_S * 1.5**tries for tries in range(5)])


def test_the_wait_follows_the_measured_round_trip() -> None:
    transfer = sending(Content(b"x" * 5000), Terms())
    transfer.start(0.0)
    assert transfer.deadline == 0.5
    ack(transfer, 1, 0.1)
    assert transfer.deadline == pytest.approx(0.1 + 4 * 0.1)


def test_what_was_sent_twice_gives_no_sample() -> None:
    """Karn: nobody knows which of the two was answered."""
    transfer = sending(Content(b"x" * 5000), Terms())
    transfer.start(0.0)
    ack(transfer, 1, 0.01)
    transfer.expired(transfer.deadline)
    ack(transfer, 2, 9.0)
    assert transfer.deadline - 9.0 < 0.1


def test_a_client_that_ignores_repeated_blocks_has_time_to_repeat_its_ack() -> None:
    """atftp waits for 5 s in which nothing comes."""
    transfer = sending(Content(b"x" * 5000), Terms())
    transfer.start(0.0)
    now = 0.01
    ack(transfer, 1, now)
    waits = []
    while now < 20:
        waits.append(transfer.deadline - now)
        now = transfer.deadline
        transfer.expired(now)
    assert max(waits) > 5
    assert waits.index(max(waits)) == 6


def test_a_client_that_asks_for_long_waits_is_given_up_no_later() -> None:
    transfer = sending(Content(b"x" * 600), Terms(timeout_s=255))
    transfer.start(0.0)
    while transfer.deadline < math.inf:
        now = transfer.deadline
        transfer.expired(now)
    assert now == 30.0


def test_a_client_that_stays_silent_is_given_up() -> None:
    transfer = sending(Content(b"x" * 5000), Terms())
    actions = transfer.start(0.0)
    while transfer.deadline < math.inf:
        now = transfer.deadline
        actions = transfer.expired(now)
    assert actions == [Failed("the client has been silent for 30 s")]
    assert 30 <= now < 40


def test_the_clients_own_timeout_is_not_exceeded_by_ordinary_waits() -> None:
    transfer = sending(Content(b"x" * 5000), Terms(timeout_s=1))
    transfer.start(0.0)
    for _ in range(5):
        before = transfer.deadline
        transfer.expired(before)
        assert transfer.deadline - before <= 1


def test_a_closed_port_after_the_last_block_means_that_only_the_ack_was_lost() -> None:
    transfer = sending(Content(b"x" * 600), Terms())
    transfer.start(0.0)
    ack(transfer, 1, 0.1)
    assert transfer.unreachable() == [Finished()]


def test_a_closed_port_before_that_is_a_failure() -> None:
    transfer = sending(Content(b"x" * 600), Terms())
    transfer.start(0.0)
    assert transfer.unreachable() == [Failed("the client has closed its port")]


def test_a_file_that_shrinks_ends_the_transfer_and_the_client_is_told() -> None:
    content = Content(b"x" * 512 * 5 * RUN_BLOCKS)
    transfer = sending(content, Terms())
    transfer.start(0.0)
    content.content = b"x" * 600
    ahead = RUN_BLOCKS
    for block in range(1, ahead):
        assert blocks(ack(transfer, block, 0.1)) == [block + 1]
    told, failed = ack(transfer, ahead, 0.1)
    assert isinstance(failed, Failed)
    assert packets([told]) == [Error(0, failed.reason)]


@dataclass
class Reader:
    """A client after RFC 7440: acknowledges a window, or what it has if a block is missing."""

    windowsize: int
    blksize: int
    received: bytearray = field(default_factory=bytearray)
    expected: int = 1
    in_window: int = 0
    is_done: bool = False

    def take(self, packet: object) -> Ack | None:
        if isinstance(packet, Oack):
            return Ack(0) if self.expected == 1 else None
        if not isinstance(packet, Data):
            return None
        if packet.block != self.expected % 65536:
            self.in_window = 0
            return Ack((self.expected - 1) % 65536)
        self.received += packet.payload
        self.expected += 1
        self.in_window += 1
        self.is_done = len(packet.payload) < self.blksize
        if self.is_done or self.in_window == self.windowsize:
            self.in_window = 0
            return Ack(packet.block)
        return None


@given(
    size=st.integers(0, 4000),
    windowsize=st.integers(1, 8),
    seed=st.integers(0, 2**32),
    loss=st.sampled_from([0.0, 0.1, 0.3]),
)
def test_whatever_is_lost_or_doubled_the_file_arrives_whole(
    size: int, windowsize: int, seed: int, loss: float
) -> None:
    chance = random.Random(seed)
    content = chance.randbytes(size)
    transfer = sending(Content(content), Terms(64, windowsize, oack=OACK))
    reader = Reader(windowsize, 64)
    now = heard_at = 0.0
    actions = transfer.start(now)
    for _ in range(2000):
        if reader.is_done:
            break
        if any(isinstance(action, Failed) for action in actions):
            assert now - heard_at >= SILENCE_S, actions
            return
        answers = [reader.take(packet) for packet in packets(actions) if chance.random() >= loss]
        heard = [answer for answer in answers if answer and chance.random() >= loss]
        actions = []
        for answer in heard * (1 + (chance.random() < 0.1)):
            now = heard_at = now + 0.001
            actions += transfer.received(encode(answer), now)
        if not actions:
            now = transfer.deadline
            actions = transfer.expired(now)
    assert bytes(reader.received) == content


def test_a_client_that_restarts_has_been_silent_before() -> None:
    transfer = sending(Content(b"x" * 2048), Terms())
    transfer.start(0.0)
    assert transfer.may_be_under_way(29.0), "nothing was acknowledged: it asks a second time"
    ack(transfer, 1, 29.0)
    assert transfer.may_be_under_way(29.9)
    assert not transfer.may_be_under_way(30.0)
