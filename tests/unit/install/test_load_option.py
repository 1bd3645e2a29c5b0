"""Boot entries are the bytes that UEFI says, field by field."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.errors import WireError
from haoscar_pxe.install.load_option import (
    OnPartition,
    decode_order,
    description_of,
    encode,
    encode_order,
)

PLACE = OnPartition(
    number=1,
    start=2048,
    size=1048576,
    partition_uuid="0FC63DAF-8483-4772-8E79-3D69D8477DE4",
    path="\\EFI\\BOOT\\BOOTX64.EFI",
)
# UEFI 2.10 table 3.1 and 10.49, field by field.
BYTES = (
    "01000000 5e00"  # active; 0x5e bytes of device path: 42 + 48 + 4
    "4f00 7300 0000"  # "Os"
    "04 01 2a00"  # media, hard drive, 42 bytes
    "01000000 0008000000000000 0000100000000000"
    "af3dc60f 8384 7247 8e79 3d69d8477de4"  # the first three fields little-endian
    "02 02"
    "04 04 3000"  # media, file path, 48 bytes
    "5c00 4500 4600 4900 5c00 4200 4f00 4f00 5400"
    "5c00 4200 4f00 4f00 5400 5800 3600 3400 2e00 4500 4600 4900 0000"
    "7f ff 0400"
)


def test_an_entry_is_laid_out_as_the_standard_says() -> None:
    assert encode("Os", PLACE) == bytes.fromhex(BYTES)


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_description_comes_back(description: str) -> None:
    assert description_of(encode(description, PLACE)) == description


@given(st.binary(max_size=64))
def test_any_bytes_have_a_description_or_are_refused(option: bytes) -> None:
    with contextlib.suppress(WireError):
        assert isinstance(description_of(option), str)


@given(st.lists(st.integers(0, 0xFFFF)))
def test_an_order_comes_back(numbers: list[int]) -> None:
    assert decode_order(encode_order(numbers)) == numbers


def test_half_a_number_is_left_out() -> None:
    assert decode_order(b"\x01\x00\x02") == [1]


@pytest.mark.parametrize("option", [b"", b"\x01", b"\x01\0\0\0\0\0a"])
def test_a_cut_off_entry_is_refused(option: bytes) -> None:
    with pytest.raises(WireError):
        description_of(option)
