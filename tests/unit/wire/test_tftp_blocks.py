from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

import pytest

from haoscar_pxe.wire.tftp_blocks import RUN_BLOCKS, Blocks, Run, RunStore
from haoscar_pxe.wire.tftp_packet import BLOCK_NUMBERS, Data, decode

BLKSIZE = 8


@dataclass
class Counted:
    """A source that counts how often it is read."""

    content: bytes
    identity: Hashable | None = "a file"
    size_bytes: int = field(init=False)
    reads: int = 0

    def __post_init__(self) -> None:
        self.size_bytes = len(self.content)

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        self.reads += 1
        return self.content[offset_bytes : offset_bytes + size_bytes]


def content(blocks: float) -> bytes:
    size = int(blocks * BLKSIZE)
    return bytes(number % 251 for number in range(size))


def datagrams(run: Run, first: int, last: int) -> list[object]:
    whole = run.datagrams(first, last)
    size = run.datagram_bytes
    return [decode(bytes(whole[at : at + size])) for at in range(0, len(whole), size)]


@pytest.mark.parametrize("blocks", [0, 0.5, 1, 3.25, RUN_BLOCKS, RUN_BLOCKS + 0.5, 3 * RUN_BLOCKS])
def test_all_blocks_together_are_the_file(blocks: float) -> None:
    source = Counted(content(blocks))
    of = Blocks(source, BLKSIZE, RunStore())
    got = b""
    for block in range(1, of.last + 1):
        run = of.run_with(block)
        assert run is not None
        (packet,) = datagrams(run, block, block)
        assert isinstance(packet, Data)
        assert packet.block == block
        assert (len(packet.payload) < BLKSIZE) is (block == of.last)
        got += packet.payload
    assert got == source.content


def test_block_numbers_wrap_on_the_wire() -> None:
    of = Blocks(Counted(bytes(BLKSIZE * (BLOCK_NUMBERS + 2))), BLKSIZE, RunStore())
    run = of.run_with(BLOCK_NUMBERS)
    assert run is not None
    sent = [Data(number, bytes(BLKSIZE)) for number in (0, 1)]
    assert datagrams(run, BLOCK_NUMBERS, BLOCK_NUMBERS) == sent[:1]
    run = of.run_with(BLOCK_NUMBERS + 1)
    assert run is not None
    assert datagrams(run, BLOCK_NUMBERS + 1, BLOCK_NUMBERS + 1) == sent[1:]


def test_what_one_transfer_made_another_need_not_read() -> None:
    store, first, second = RunStore(), Counted(content(40)), Counted(content(40))
    assert Blocks(first, BLKSIZE, store).run_with(1) is not None
    assert Blocks(second, BLKSIZE, store).run_with(RUN_BLOCKS) is not None
    assert (first.reads, second.reads) == (1, 0)


@pytest.mark.parametrize(
    ("identity", "blksize"), [("another file", BLKSIZE), (None, BLKSIZE), ("a file", 16)]
)
def test_nothing_else_is_taken_for_the_same(identity: Hashable, blksize: int) -> None:
    store = RunStore()
    Blocks(Counted(content(40)), BLKSIZE, store).run_with(1)
    other = Counted(content(40)[::-1], identity)
    run = Blocks(other, blksize, store).run_with(1)
    assert run is not None
    assert datagrams(run, 1, 1) == [Data(1, other.content[:blksize])]


def test_rendered_content_is_never_shared() -> None:
    store = RunStore()
    for text in (b"one", b"two"):
        run = Blocks(Counted(text, None), BLKSIZE, store).run_with(1)
        assert run is not None
        assert datagrams(run, 1, 1) == [Data(1, text)]


def test_a_store_keeps_what_was_used_last_and_no_more() -> None:
    run_bytes = RUN_BLOCKS * (BLKSIZE + 4)
    source, store = Counted(content(10 * RUN_BLOCKS)), RunStore(2 * run_bytes)
    for number in (0, 1, 0, 2, 0):
        Blocks(source, BLKSIZE, store).run_with(number * RUN_BLOCKS + 1)
    assert source.reads == 3  # run 1 was let go for run 2, run 0 never
    Blocks(source, BLKSIZE, store).run_with(RUN_BLOCKS + 1)
    assert source.reads == 4


def test_a_transfer_goes_on_when_the_store_lets_its_run_go() -> None:
    source = Counted(content(2 * RUN_BLOCKS))
    of = Blocks(source, BLKSIZE, RunStore(1))
    for block in range(1, RUN_BLOCKS + 1):
        assert of.run_with(block) is not None
    assert source.reads == 1


def test_a_file_that_became_shorter_has_no_run() -> None:
    source = Counted(content(40))
    of = Blocks(source, BLKSIZE, RunStore())
    source.content = source.content[:10]
    assert of.run_with(1) is None
