from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.errors import WireError
from haoscar_pxe.wire.dhcp_options import (
    architecture,
    client_uuid,
    decode_fields,
    encode_fields,
    fields_bytes,
    user_class,
)

CODES = st.integers(1, 254).filter(lambda code: code != 52)


def test_options_overflow_into_file_and_then_sname_as_option_52_says() -> None:
    """RFC 3396 section 5: the aggregate is options, file, sname."""
    options = bytes([52, 1, 3, 12, 1]) + b"a" + b"\xff"
    assert decode_fields(options, b"\x0c\x01c\xff", b"\x0c\x01b\xff")[12] == b"abc"


def test_fields_hold_no_options_without_option_52() -> None:
    assert decode_fields(b"\xff", b"\x0c\x01c\xff", b"\x0c\x01b\xff") == {}


@pytest.mark.parametrize("value", [b"", b"\x04", b"\xff"])
def test_an_overload_that_no_rfc_knows_is_refused(value: bytes) -> None:
    with pytest.raises(WireError, match="overload"):
        decode_fields(bytes([52, len(value)]) + value + b"\xff", b"", b"")


@pytest.mark.parametrize("field", [b"\x0c", b"\x0c\x05ab", b"\x0c\x02a\xff\x0c\xff"])
def test_a_length_beyond_the_field_is_refused(field: bytes) -> None:
    with pytest.raises(WireError, match="bytes and"):
        decode_fields(field[:5], b"", b"")


def test_a_missing_end_and_what_follows_the_end_are_forgiven() -> None:
    assert decode_fields(b"\x0c\x01a", b"", b"") == {12: b"a"}
    assert decode_fields(b"\x0c\x01a\xff\xff\xff\x0c\x99", b"", b"") == {12: b"a"}


def test_more_options_than_there_are_codes_are_refused_early() -> None:
    with pytest.raises(WireError, match="more than 288"):
        decode_fields(b"\x0c\0" * 289, b"", b"")
    assert decode_fields(b"\x0c\0" * 288, b"", b"") == {12: b""}


def test_pads_between_options_are_passed_over() -> None:
    assert decode_fields(bytes(3) + b"\x0c\x01a" + bytes(900) + b"\x0f\x01b\0", b"", b"") == {
        12: b"a",
        15: b"b",
    }


def test_a_long_option_is_split_and_joined_again() -> None:
    value = bytes(range(256)) * 3
    field = encode_fields({43: value})
    assert field[:2] == bytes([43, 255])
    assert field.count(bytes([43, 255])) >= 3
    assert decode_fields(field, b"", b"") == {43: value}


def test_the_message_type_is_first_and_relay_information_last() -> None:
    field = encode_fields({82: b"r", 1: b"m", 53: b"\x01", 255 - 1: b"x"})
    assert field == bytes([53, 1, 1, 1, 1]) + b"m" + bytes([254, 1]) + b"x" + b"\x52\x01r\xff"


@pytest.mark.parametrize("code", [0, 255, 256, -1])
def test_a_code_that_no_option_has_is_refused(code: int) -> None:
    with pytest.raises(WireError, match="1 to 254"):
        encode_fields({code: b""})


@given(st.dictionaries(CODES, st.binary(max_size=600)))
def test_options_come_back_as_they_were_written(options: dict[int, bytes]) -> None:
    assert decode_fields(encode_fields(options), b"", b"") == options


@given(st.binary(), st.binary(), st.binary())
def test_any_bytes_decode_or_raise_wire_error(options: bytes, sname: bytes, file: bytes) -> None:
    try:
        decoded = decode_fields(b"\x34\x01\x03" + options, sname, file)
    except WireError:
        return
    assert all(0 < code < 255 for code in decoded)


@given(st.binary(max_size=300))
def test_text_of_any_bytes_is_ascii(value: bytes) -> None:
    assert user_class(value).isascii()


def test_short_options_say_nothing() -> None:
    assert architecture(b"\x07") is None
    assert architecture(b"\x00\x07\x00\x09") == 7
    assert client_uuid(b"\x01" + bytes(16)) == ""
    assert client_uuid(b"\x00" + bytes(range(16))) == bytes(range(16)).hex()


@given(st.dictionaries(st.integers(1, 254), st.binary(max_size=700), max_size=6))
def test_the_length_is_known_before_they_are_written(options: dict[int, bytes]) -> None:
    assert fields_bytes(options) == len(encode_fields(options))
