from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.tftp import TFTP, TFTP_ACK, TFTP_DATA, TFTP_ERROR, TFTP_OACK

from haoscar_pxe.errors import WireError
from haoscar_pxe.wire.tftp_packet import (
    Ack,
    Data,
    Error,
    ErrorCode,
    Oack,
    Request,
    TftpPacket,
    decode,
    encode,
)

OVMF_PROBE = b"\0\1lpxelinux.0\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0"
OVMF_ABORT = b"\0\5\0\x08User aborted the transfer\0"

NUMBERS = st.integers(0, 65535)
STRINGS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
LOWER = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=10)
OPTIONS = st.dictionaries(LOWER, STRINGS, max_size=5).map(lambda found: tuple(found.items()))
PACKETS = st.one_of(
    st.builds(Request, filename=STRINGS, mode=LOWER, options=OPTIONS, is_write=st.booleans()),
    st.builds(Data, block=NUMBERS, payload=st.binary(max_size=600)),
    st.builds(Ack, block=NUMBERS),
    st.builds(Error, code=NUMBERS, message=STRINGS),
    st.builds(Oack, options=OPTIONS.filter(bool)),
)


def test_ovmf_as_captured_asks_for_the_size_first() -> None:
    options = (("tsize", "0"), ("blksize", "1468"), ("windowsize", "4"))
    assert decode(OVMF_PROBE) == Request("lpxelinux.0", "octet", options)
    assert decode(OVMF_ABORT) == Error(ErrorCode.OPTION_NEGOTIATION, "User aborted the transfer")


def test_the_write_request_of_rfc_1350_is_understood() -> None:
    assert decode(b"\0\2file\0NetASCII\0") == Request("file", "netascii", (), is_write=True)


def test_the_0xff_that_old_roms_append_to_a_name_is_taken_off() -> None:
    request = decode(b"\0\1lpxelinux.0\xff\0octet\0")
    assert isinstance(request, Request)
    assert request.filename == "lpxelinux.0"


def test_names_outside_utf_8_are_readable() -> None:
    request = decode(b"\0\1a\xfeb\0octet\0")
    assert isinstance(request, Request)
    assert request.filename == "a\\xfeb"


def test_of_an_option_given_twice_the_first_counts() -> None:
    request = decode(b"\0\1f\0octet\0BLKSIZE\x0099\0blksize\x0012\0")
    assert isinstance(request, Request)
    assert request.options == (("blksize", "99"),)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\0\1",
        b"\0\1\0\0"[:3],
        b"\0\1file",
        b"\0\1file\0octet",
        b"\0\0\0\0",
        b"\0\x07\0\0",
        b"\1\1f\0octet\0",
    ],
)
def test_what_is_no_packet_is_refused(datagram: bytes) -> None:
    with pytest.raises(WireError):
        decode(datagram)


def test_a_request_with_thousands_of_options_is_cut() -> None:
    request = decode(b"\0\1f\0octet\0" + b"".join(b"o%d\0v\0" % i for i in range(5000)))
    assert isinstance(request, Request)
    assert len(request.options) == 32


@given(PACKETS)
def test_a_packet_comes_back_as_it_was_written(packet: TftpPacket) -> None:
    assert decode(encode(packet)) == packet


@given(st.binary(max_size=600), st.integers(0, 7))
def test_any_bytes_decode_or_raise_wire_error(datagram: bytes, opcode: int) -> None:
    for whole in (datagram, bytes([0, opcode]) + datagram):
        try:
            decode(whole)
        except WireError:
            continue


@pytest.mark.parametrize("packet", [Ack(65536), Data(-1, b""), Error(0, "a\0b"), Request("\0", "")])
def test_what_cannot_be_written_is_refused(packet: TftpPacket) -> None:
    with pytest.raises(WireError):
        encode(packet)


def test_scapy_reads_what_we_write() -> None:
    assert TFTP(encode(Data(258, b"abc")))[TFTP_DATA].block == 258
    assert TFTP(encode(Ack(65535)))[TFTP_ACK].block == 65535
    error = TFTP(encode(Error(ErrorCode.FILE_NOT_FOUND, "file not found")))[TFTP_ERROR]
    assert (error.errorcode, error.errormsg) == (1, b"file not found")
    oack = TFTP(encode(Oack((("tsize", "30"),))))[TFTP_OACK]
    assert bytes(oack.payload) == b"tsize\x0030\0"
