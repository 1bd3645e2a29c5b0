"""The datagrams of the lease: one form, one key, nothing else."""

from __future__ import annotations

from hashlib import blake2s
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.errors import WireError
from haoscar_pxe.wire.heartbeat import (
    ALL_FLAGS,
    KEY_BYTES,
    SIZE_BYTES,
    Content,
    Flag,
    Heartbeat,
    Kind,
    decode,
    encode,
)

KEY = bytes(range(KEY_BYTES))
ASKING = Heartbeat(
    sender=1,
    receiver=2,
    nonce=b"process1",
    sequence=7,
    challenge=b"fromhere",
    echo=b"fromther",
    content=Content(
        Kind.ASK, Flag.FIT | Flag.WILLING, epoch=65536, stamp=10**12, promised=3, tenures=(2, 0)
    ),
)
EXAMPLE = bytes.fromhex(
    "48584831 01 01 02 0c"
    "70726f6365737331 0000000000000007 66726f6d68657265 66726f6d74686572"
    "0000000000010000 000000e8d4a51000 0000000000000003"
    "0000000000000002 0000000000000000 ff 00000000000000"
    "8d930adf4517d088eaa3f980ee3a739c534a234872e56f7a4f9984526e83f672"
)
u64 = st.integers(0, 2**64 - 1)
token = st.binary(min_size=8, max_size=8)
members = st.sampled_from([(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)])
contents = st.builds(
    Content,
    kind=st.sampled_from(Kind),
    flags=st.integers(0, ALL_FLAGS).map(Flag),
    epoch=u64,
    stamp=u64,
    promised=u64,
    tenures=st.tuples(u64, u64),
    holder=st.sampled_from([None, 0, 1, 2]),
)


def test_the_example_of_the_documentation() -> None:
    assert encode(ASKING, KEY).hex() == EXAMPLE.hex()
    assert decode(EXAMPLE, KEY) == ASKING


@given(members, token, u64, token, token, contents)
def test_what_is_said_is_heard(
    pair: tuple[int, int], nonce: bytes, sequence: int, gives: bytes, echo: bytes, said: Content
) -> None:
    beat = Heartbeat(*pair, nonce, sequence, gives, echo, said)
    datagram = encode(beat, KEY)
    assert len(datagram) == SIZE_BYTES
    assert decode(datagram, KEY) == beat


@given(st.binary(max_size=2 * SIZE_BYTES) | st.binary(min_size=SIZE_BYTES, max_size=SIZE_BYTES))
def test_bytes_without_the_key_are_refused(datagram: bytes) -> None:
    with pytest.raises(WireError):
        decode(datagram, KEY)


def test_every_bit_counts() -> None:
    for bit in range(8 * SIZE_BYTES):
        flipped = bytearray(EXAMPLE)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(WireError):
            decode(bytes(flipped), KEY)


def test_another_clusters_key_is_not_ours() -> None:
    with pytest.raises(WireError, match="another key"):
        decode(EXAMPLE, bytes(KEY_BYTES))


@pytest.mark.parametrize(
    ("at", "value", "why"),
    [
        (3, 0x32, "another version"),
        (4, 9, "kind 9"),
        (5, 2, "from member 2 to member 2"),
        (6, 3, "to member 3"),
        (7, 0x20, "flags 0x20"),
        (80, 3, "member 3 holds"),
        (87, 1, "reserved bytes"),
    ],
)
def test_a_member_that_says_nonsense_is_refused(at: int, value: int, why: str) -> None:
    fields = bytearray(EXAMPLE[:-32])
    fields[at] = value
    with pytest.raises(WireError, match=why):
        decode(bytes(fields) + tag(bytes(fields)), KEY)


def tag(fields: bytes) -> bytes:
    """RFC 7693, as the documentation says it."""
    return blake2s(fields, key=KEY, person=b"hxbeat01").digest()


def test_the_documentation_shows_the_example() -> None:
    page = (Path(__file__).parents[3] / "docs/failover.md").read_text()
    shown = page.split("```")[-2]
    assert bytes.fromhex(shown) == EXAMPLE
