from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.wire.dhcp_options import OptionCode
from haoscar_pxe.wire.dhcp_packet import (
    BROADCAST_FLAG,
    NOBODY,
    MessageType,
    Op,
    Packet,
    decode,
    encode,
)
from haoscar_pxe.wire.dhcp_responder import (
    EVERYBODY,
    Answered,
    Offer,
    Reply,
    Unanswered,
    destination,
    respond,
)
from tests.unit.wire.captured import IPXE_DISCOVER, IPXE_REQUEST, MAC, OVMF_DISCOVER

SERVER = IPv4Address("10.77.0.1")
ADDRESS = IPv4Interface("10.77.0.20/24")
OFFER = Offer(
    server_id=SERVER,
    address=ADDRESS,
    lease_s=3600,
    siaddr=SERVER,
    boot_filename=b"lpxelinux.0",
    options={OptionCode.ROUTER: SERVER.packed, OptionCode.HOST_NAME: b"standby"},
)
RELAY = IPv4Address("10.78.0.254")


def ask(message: MessageType, **options: bytes) -> Packet:
    """A client's packet; options by the names of OptionCode."""
    spoken: dict[int, bytes] = {OptionCode.MESSAGE_TYPE: bytes([message])}
    spoken |= {OptionCode[name]: value for name, value in options.items()}
    return Packet(op=Op.BOOTREQUEST, xid=7, chaddr=MAC, options=spoken)


def replied(request: Packet, offer: Offer = OFFER) -> Reply:
    response = respond(request, offer)
    assert isinstance(response, Reply), response
    return response


def test_a_discover_as_captured_is_offered_address_and_boot_file() -> None:
    reply = replied(decode(IPXE_DISCOVER))
    packet = reply.packet
    assert (reply.kind, reply.address, reply.port) == (Answered.OFFER, EVERYBODY, 68)
    assert (packet.yiaddr, packet.siaddr, packet.file) == (ADDRESS.ip, SERVER, b"lpxelinux.0")
    assert packet.options[OptionCode.LEASE_TIME] == (3600).to_bytes(4, "big")
    assert packet.options[OptionCode.SUBNET_MASK] == bytes([255, 255, 255, 0])
    assert packet.options[OptionCode.SERVER_IDENTIFIER] == SERVER.packed
    assert packet.options[OptionCode.HOST_NAME] == b"standby"


def test_identifier_uuid_and_relay_information_come_back() -> None:
    said = {"CLIENT_IDENTIFIER": b"\x01ab", "CLIENT_UUID": bytes(17)}
    request = ask(MessageType.DISCOVER, **said, RELAY_AGENT_INFORMATION=b"\x01\x02p1")
    options = replied(request).packet.options
    assert options[OptionCode.CLIENT_IDENTIFIER] == b"\x01ab"
    assert options[OptionCode.CLIENT_UUID] == bytes(17)
    assert options[OptionCode.RELAY_AGENT_INFORMATION] == b"\x01\x02p1"


def test_a_request_for_the_offered_address_is_acknowledged() -> None:
    request = ask(
        MessageType.REQUEST,
        SERVER_IDENTIFIER=SERVER.packed,
        REQUESTED_ADDRESS=ADDRESS.ip.packed,
    )
    assert replied(request).kind is Answered.ACK


def test_a_client_that_chose_another_server_is_left_alone() -> None:
    response = respond(decode(IPXE_REQUEST), OFFER)
    assert response == Unanswered("it chose the offer of 10.0.2.2")


def test_a_rebooting_client_with_a_wrong_address_hears_nak_by_broadcast() -> None:
    """RFC 2131 section 4.3.2, INIT-REBOOT: no server identifier."""
    wrong = IPv4Address("10.9.9.9")
    reply = replied(ask(MessageType.REQUEST, REQUESTED_ADDRESS=wrong.packed))
    assert (reply.kind, reply.address) == (Answered.NAK, EVERYBODY)
    assert (reply.packet.yiaddr, reply.packet.file) == (NOBODY, b"")
    assert OptionCode.LEASE_TIME not in reply.packet.options
    assert "10.9.9.9" in reply.reason


def test_a_renewing_client_is_answered_at_its_address() -> None:
    request = replace(ask(MessageType.REQUEST), ciaddr=ADDRESS.ip)
    reply = replied(request)
    assert (reply.kind, reply.address, reply.port) == (Answered.ACK, ADDRESS.ip, 68)
    assert reply.packet.ciaddr == ADDRESS.ip


def test_a_renewing_client_with_a_wrong_address_hears_nak_by_broadcast() -> None:
    request = replace(ask(MessageType.REQUEST), ciaddr=IPv4Address("10.77.0.99"))
    reply = replied(request)
    assert (reply.kind, reply.address, reply.packet.ciaddr) == (Answered.NAK, EVERYBODY, NOBODY)


def test_a_relayed_nak_asks_the_relay_to_broadcast_it() -> None:
    request = replace(ask(MessageType.REQUEST, REQUESTED_ADDRESS=bytes(4)), giaddr=RELAY)
    reply = replied(request)
    assert (reply.kind, reply.address, reply.port) == (Answered.NAK, RELAY, 67)
    assert reply.packet.flags & BROADCAST_FLAG


def test_a_request_that_names_no_address_is_not_answered() -> None:
    assert isinstance(respond(ask(MessageType.REQUEST), OFFER), Unanswered)


def test_inform_is_told_everything_but_an_address() -> None:
    request = replace(ask(MessageType.INFORM), ciaddr=IPv4Address("10.77.0.50"))
    reply = replied(request)
    assert (reply.kind, reply.address) == (Answered.ACK, IPv4Address("10.77.0.50"))
    assert reply.packet.yiaddr == NOBODY
    assert OptionCode.LEASE_TIME not in reply.packet.options


def test_bootp_is_answered_without_dhcp_options() -> None:
    reply = replied(Packet(op=Op.BOOTREQUEST, xid=7, chaddr=MAC))
    assert (reply.kind, reply.packet.yiaddr) == (Answered.BOOTREPLY, ADDRESS.ip)
    assert OptionCode.MESSAGE_TYPE not in reply.packet.options
    assert OptionCode.LEASE_TIME not in reply.packet.options


@pytest.mark.parametrize(
    "message",
    [
        MessageType.OFFER,
        MessageType.ACK,
        MessageType.NAK,
        MessageType.DECLINE,
        MessageType.RELEASE,
    ],
)
def test_what_is_no_question_is_not_answered(message: MessageType) -> None:
    assert isinstance(respond(ask(message), OFFER), Unanswered)


def test_another_servers_reply_is_not_answered() -> None:
    reply = replace(ask(MessageType.DISCOVER), op=Op.BOOTREPLY)
    assert isinstance(respond(reply, OFFER), Unanswered)


def test_option_67_is_kept_from_roms_that_would_read_beyond_its_end() -> None:
    assert OptionCode.BOOT_FILENAME not in replied(decode(IPXE_DISCOVER)).packet.options


def test_ipxe_alone_is_told_not_to_wait_for_a_proxy() -> None:
    assert replied(decode(IPXE_DISCOVER)).packet.options[OptionCode.IPXE_ENCAPSULATED] == (
        b"\xb0\x01\x01"
    )
    ovmf = replied(decode(OVMF_DISCOVER)).packet
    assert OptionCode.IPXE_ENCAPSULATED not in ovmf.options


def test_uefi_http_boot_hears_its_class_and_the_url_in_option_67() -> None:
    request = ask(MessageType.DISCOVER, VENDOR_CLASS=b"HTTPClient:Arch:00016:UNDI:003001")
    url = b"http://10.77.0.1/shimx64.efi"
    options = replied(request, replace(OFFER, boot_filename=url)).packet.options
    assert options[OptionCode.VENDOR_CLASS] == b"HTTPClient"
    assert options[OptionCode.BOOT_FILENAME] == url


def test_a_name_longer_than_the_header_goes_into_option_67() -> None:
    url = b"http://10.77.0.1/" + b"x" * 150
    packet = replied(decode(IPXE_DISCOVER), replace(OFFER, boot_filename=url)).packet
    assert (packet.file, packet.options[OptionCode.BOOT_FILENAME]) == (b"", url)


def test_nothing_to_boot_means_no_next_server_either() -> None:
    packet = replied(decode(IPXE_DISCOVER), replace(OFFER, boot_filename=b"")).packet
    assert (packet.file, packet.siaddr) == (b"", NOBODY)


def test_options_of_the_decision_replace_the_usual_ones() -> None:
    offer = replace(OFFER, options={OptionCode.LEASE_TIME: (60).to_bytes(4, "big")})
    assert replied(decode(IPXE_DISCOVER), offer).packet.options[OptionCode.LEASE_TIME][-1] == 60


def test_a_reply_is_no_longer_than_the_client_accepts() -> None:
    """RFC 2131 section 2: 576 bytes unless option 57 says more."""
    offer = replace(OFFER, options={**OFFER.options, OptionCode.DOMAIN_NAME: b"d" * 400})
    short = replied(ask(MessageType.DISCOVER), offer).packet
    assert len(encode(short)) <= 576 - 28
    assert OptionCode.DOMAIN_NAME not in short.options
    assert short.options[OptionCode.SUBNET_MASK] == bytes([255, 255, 255, 0])
    large = ask(MessageType.DISCOVER, MAXIMUM_MESSAGE_SIZE=(1472).to_bytes(2, "big"))
    assert OptionCode.DOMAIN_NAME in replied(large, offer).packet.options


@given(st.sampled_from(MessageType), st.binary(max_size=8), st.binary(max_size=8))
def test_any_question_is_answered_or_not_but_never_fails(
    message: MessageType, address: bytes, size: bytes
) -> None:
    request = ask(message, REQUESTED_ADDRESS=address, MAXIMUM_MESSAGE_SIZE=size)
    response = respond(request, OFFER)
    if isinstance(response, Reply):
        assert decode(encode(response.packet)).xid == request.xid


@pytest.mark.parametrize(
    ("giaddr", "ciaddr", "is_nak", "expected"),
    [
        (RELAY, NOBODY, False, (RELAY, 67)),
        (RELAY, ADDRESS.ip, True, (RELAY, 67)),
        (NOBODY, ADDRESS.ip, False, (ADDRESS.ip, 68)),
        (NOBODY, ADDRESS.ip, True, (EVERYBODY, 68)),
        (NOBODY, NOBODY, False, (EVERYBODY, 68)),
    ],
)
def test_a_reply_goes_where_rfc_2131_says(
    giaddr: IPv4Address, ciaddr: IPv4Address, is_nak: bool, expected: tuple[IPv4Address, int]
) -> None:
    reply = Packet(op=Op.BOOTREPLY, xid=7, chaddr=MAC, giaddr=giaddr, ciaddr=ciaddr)
    assert destination(reply, is_nak=is_nak) == expected
