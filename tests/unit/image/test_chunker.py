"""Golden cuts: they decide what generations share, so they may never move unnoticed."""

from __future__ import annotations

import io
import random

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from haoscar_pxe.image import chunker
from haoscar_pxe.image.chunker import WHOLE_BELOW_BYTES, split, split_stream

MIB = 1 << 20

GOLDEN_CUTS = [
    71791,
    89804,
    36896,
    71775,
    95052,
    38007,
    117681,
    73470,
    72823,
    83293,
    65149,
    130731,
    64011,
    55156,
    84647,
    91165,
    87535,
    72535,
    53684,
    200756,
    66059,
    78034,
    47266,
    18211,
    106067,
    77805,
    47749,
]
GOLDEN_COARSE_CUTS = [
    1455205,
    1154463,
    2455996,
    1303776,
    1754776,
    1354216,
    892600,
    507334,
    414081,
    1290465,
]


def noise(size_bytes: int) -> bytes:
    """The same bytes everywhere and always: BLAKE3's extendable output."""
    return blake3(b"golden").digest(size_bytes)


def test_the_compiled_chunker_is_used() -> None:
    assert vars(chunker)["FastCDC"].__module__.startswith("pyfastcdc.cy")


def test_golden_boundaries() -> None:
    cuts = [len(piece) for piece in split(noise(2 * MIB))]
    assert cuts == GOLDEN_CUTS
    assert sum(cuts) == 2 * MIB


def test_golden_boundaries_of_the_coarse_cutter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunker, "COARSE_FROM_BYTES", 8 * MIB)
    assert [len(piece) for piece in split(noise(12 * MIB))] == GOLDEN_COARSE_CUTS


@pytest.mark.parametrize("size", [1, 65_536, WHOLE_BELOW_BYTES - 1])
def test_small_files_are_one_chunk(size: int) -> None:
    assert [bytes(piece) for piece in split(noise(size))] == [noise(size)]


def test_nothing_is_no_chunk() -> None:
    assert list(split(b"")) == []
    assert list(split_stream(io.BytesIO(), 0)) == []


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5 * MIB), st.integers(0, 10))
def test_a_stream_is_cut_like_a_buffer(size: int, seed: int) -> None:
    data = random.Random(seed).randbytes(size)
    expected = [bytes(piece) for piece in split(data)]
    assert list(split_stream(io.BytesIO(data), size)) == expected
    assert b"".join(expected) == data


def test_an_insertion_moves_only_the_cuts_near_it() -> None:
    data = noise(4 * MIB)
    before = {bytes(piece) for piece in split(data)}
    after = {bytes(piece) for piece in split(data[:MIB] + b"inserted" + data[MIB:])}
    assert len(after - before) <= 3
    assert len(before) > 30
