from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP

from haoscar_pxe.errors import WireError
from haoscar_pxe.wire.dhcp_options import MAGIC_COOKIE, OptionCode
from haoscar_pxe.wire.dhcp_packet import MessageType, Op, Packet, decode, encode
from tests.unit.wire.captured import IPXE_DISCOVER, IPXE_REQUEST, MAC, OVMF_DISCOVER

ADDRESSES = st.integers(0, 2**32 - 1).map(IPv4Address)
STRINGS = st.binary(max_size=63).filter(lambda value: b"\0" not in value)
CODES = st.integers(1, 254).filter(lambda code: code != OptionCode.OVERLOAD)
PACKETS = st.builds(
    Packet,
    op=st.sampled_from(list(Op)),
    xid=st.integers(0, 2**32 - 1),
    chaddr=st.binary(max_size=16),
    htype=st.integers(0, 255),
    hops=st.integers(0, 255),
    secs=st.integers(0, 65535),
    flags=st.integers(0, 65535),
    ciaddr=ADDRESSES,
    yiaddr=ADDRESSES,
    siaddr=ADDRESSES,
    giaddr=ADDRESSES,
    sname=STRINGS,
    file=STRINGS,
    options=st.dictionaries(CODES, st.binary(max_size=300), max_size=12),
)


def test_ipxe_as_captured_is_understood() -> None:
    packet = decode(IPXE_DISCOVER)
    assert packet.message_type is MessageType.DISCOVER
    assert (packet.mac, packet.xid, packet.secs) == ("52:54:00:00:00:01", 0x95C82424, 4)
    assert packet.options[OptionCode.VENDOR_CLASS] == b"PXEClient:Arch:00000:UNDI:002001"
    assert packet.options[OptionCode.CLIENT_IDENTIFIER] == b"\x01" + MAC
    assert not packet.wants_broadcast


def test_ovmf_as_captured_is_understood() -> None:
    packet = decode(OVMF_DISCOVER)
    assert packet.message_type is MessageType.DISCOVER
    assert packet.wants_broadcast
    assert packet.options[OptionCode.VENDOR_CLASS].startswith(b"PXEClient:Arch:00007")


def test_a_request_as_captured_names_its_address_and_server() -> None:
    packet = decode(IPXE_REQUEST)
    assert packet.address_option(OptionCode.REQUESTED_ADDRESS) == IPv4Address("10.0.2.15")
    assert packet.address_option(OptionCode.SERVER_IDENTIFIER) == IPv4Address("10.0.2.2")


def test_bootp_without_a_cookie_has_no_options() -> None:
    """RFC 951: the vendor area may hold anything."""
    packet = decode(IPXE_DISCOVER[:236] + b"not a cookie".ljust(64, b"\x99"))
    assert packet.options == {}
    assert packet.is_bootp
    assert packet.message_type is None


def test_names_are_empty_where_their_fields_hold_options() -> None:
    header = bytearray(IPXE_DISCOVER[:236])
    header[44:48], header[108:112] = b"\x0c\x01s\xff", b"\x0c\x01f\xff"
    both = decode(bytes(header) + MAGIC_COOKIE + b"\x34\x01\x03\xff")
    assert (both.sname, both.file, both.options) == (b"", b"", {OptionCode.HOST_NAME: b"fs"})
    neither = decode(bytes(header) + MAGIC_COOKIE + b"\xff")
    assert neither.file == b"\x0c\x01f\xff"


@pytest.mark.parametrize(
    ("offset", "value", "said"),
    [(0, 0, "op is 1 or 2"), (0, 3, "op is 1 or 2"), (2, 17, "hlen 17"), (2, 255, "hlen 255")],
)
def test_a_header_that_cannot_be_is_refused(offset: int, value: int, said: str) -> None:
    broken = bytearray(IPXE_DISCOVER)
    broken[offset] = value
    with pytest.raises(WireError, match=said):
        decode(bytes(broken))


def test_a_packet_cut_within_its_header_is_refused() -> None:
    for length in range(236):
        with pytest.raises(WireError, match="header"):
            decode(IPXE_DISCOVER[:length])


def test_a_packet_cut_within_its_options_decodes_or_raises_wire_error() -> None:
    refused = 0
    for length in range(236, len(IPXE_DISCOVER)):
        try:
            assert decode(IPXE_DISCOVER[:length]).mac == "52:54:00:00:00:01"
        except WireError:
            refused += 1
    assert refused > 100


@given(PACKETS)
def test_a_packet_comes_back_as_it_was_written(packet: Packet) -> None:
    datagram = encode(packet)
    assert len(datagram) >= 300
    assert decode(datagram) == packet


@given(st.binary(max_size=700))
def test_any_bytes_decode_or_raise_wire_error(datagram: bytes) -> None:
    for header in (b"", IPXE_DISCOVER[:240]):
        try:
            decode(header + datagram)
        except WireError:
            continue


@given(st.integers(0, len(IPXE_DISCOVER) - 1), st.integers(0, 255))
def test_one_changed_byte_decodes_or_raises_wire_error(offset: int, value: int) -> None:
    changed = bytearray(IPXE_DISCOVER)
    changed[offset] = value
    try:
        decode(bytes(changed))
    except WireError:
        return


@pytest.mark.parametrize(
    "change",
    [
        {"chaddr": bytes(17)},
        {"sname": bytes(64)},
        {"file": bytes(128)},
        {"xid": 2**32},
        {"secs": -1},
        {"flags": 65536},
    ],
)
def test_what_does_not_fit_its_field_is_refused(change: dict[str, bytes | int]) -> None:
    packet = replace(Packet(op=1, xid=1, chaddr=MAC), **change)  # type: ignore[arg-type]
    with pytest.raises(WireError, match="at most"):
        encode(packet)


def test_scapy_reads_what_we_write() -> None:
    packet = Packet(
        op=Op.BOOTREPLY,
        xid=7,
        chaddr=MAC,
        yiaddr=IPv4Address("10.77.0.20"),
        siaddr=IPv4Address("10.77.0.1"),
        file=b"lpxelinux.0",
        options={
            OptionCode.MESSAGE_TYPE: bytes([MessageType.OFFER]),
            OptionCode.SUBNET_MASK: bytes([255, 255, 255, 0]),
            OptionCode.HOST_NAME: b"standby",
        },
    )
    read = BOOTP(encode(packet))
    assert (read.op, read.xid, read.yiaddr, read.siaddr) == (2, 7, "10.77.0.20", "10.77.0.1")
    assert read.chaddr[:6] == MAC
    assert read.file.rstrip(b"\0") == b"lpxelinux.0"
    spoken = [option for option in read[DHCP].options if isinstance(option, tuple)]
    assert ("message-type", 2) in spoken
    assert ("subnet_mask", "255.255.255.0") in spoken
    assert ("hostname", b"standby") in spoken
