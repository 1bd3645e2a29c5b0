"""Batches for nf_tables, against one that nft itself sent."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.errors import WireError
from haoscar_pxe.wire.nfnetlink import Add, Delete, Family, Flush, SetName, batch, results

DOOR = SetName(Family.INET, "hx", "door")
OF_NFT = bytes.fromhex(
    "07000100687800 00 09000200646f6f7200 000000"
    "20000380 1c000180 0c000400 00000000000001f4 0c000180 06000100 0800 0000"
)
"""The attributes of `nft add element inet hx door { ip timeout 500ms }` (nft 1.0.6), less an id of
the set that belongs to its own transaction."""


def messages(datagram: bytes) -> list[tuple[int, int, int, bytes]]:
    """(type, flags, sequence, content) of each netlink message."""
    found = []
    while datagram:
        length, kind, flags, sequence, _ = struct.unpack_from("=IHHII", datagram)
        found.append((kind, flags, sequence, datagram[16:length]))
        datagram = datagram[(length + 3) & ~3 :]
    return found


def test_an_addition_is_what_nft_sends() -> None:
    kind, flags, sequence, content = messages(batch([Add(DOOR, (b"\x08\x00",), 500)]))[1]
    assert (kind, flags & 0x401, sequence) == (10 << 8 | 12, 0x401, 1)
    assert content == bytes([1, 0, 0, 0]) + OF_NFT


def test_a_batch_is_one_transaction_of_nf_tables_and_its_end_is_acknowledged() -> None:
    made = messages(batch([Flush(DOOR), Delete(DOOR, b"\x08\x00"), Add(DOOR, (b"\x08\x00",), 1)]))
    assert [kind for kind, *_ in made] == [16, 10 << 8 | 14, 10 << 8 | 14, 10 << 8 | 12, 17]
    assert [bool(flags & 4) for _, flags, _, _ in made] == [False, False, False, True, False]
    assert made[0][3] == made[-1][3] == bytes([0, 0, 0, 10])


def test_a_flush_names_no_element() -> None:
    assert b"\x03\x80" not in messages(batch([Flush(DOOR)]))[1][3]


def test_the_kernels_answers_are_numbered_by_change() -> None:
    def answer(sequence: int, error: int) -> bytes:
        return struct.pack("=IHHIIi", 20, 2, 0, sequence, 0, -error)

    assert list(results(answer(1, 2) + answer(3, 0))) == [(1, 2), (3, 0)]


def test_what_is_no_answer_is_passed_over() -> None:
    assert list(results(struct.pack("=IHHII", 16, 3, 0, 1, 0))) == []


@given(st.binary(max_size=80))
def test_any_bytes_are_answers_or_a_wire_error(datagram: bytes) -> None:
    with suppress(WireError):
        assert all(isinstance(status, int) for _, status in results(datagram))


@pytest.mark.parametrize("datagram", [b"\x10\0\0\0\2\0", struct.pack("=IHHII", 16, 2, 0, 1, 0)])
def test_a_message_that_is_cut_off_is_refused(datagram: bytes) -> None:
    with pytest.raises(WireError, match="cut off"):
        list(results(datagram))
