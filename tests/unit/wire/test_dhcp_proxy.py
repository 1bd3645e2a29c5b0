"""A proxy says what boots and gives nobody an address."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.wire.dhcp_options import OptionCode
from haoscar_pxe.wire.dhcp_packet import NOBODY, MessageType, decode, encode
from haoscar_pxe.wire.dhcp_proxy import LEASE, respond_as_proxy, respond_on_boot_port
from haoscar_pxe.wire.dhcp_responder import EVERYBODY, Answered, Reply, Unanswered
from tests.unit.wire.captured import IPXE_DISCOVER, OVMF_DISCOVER
from tests.unit.wire.test_dhcp_responder import OFFER, RELAY, SERVER, ask

UEFI = b"PXEClient:Arch:00007:UNDI:003000"
HTTP = b"HTTPClient:Arch:00016:UNDI:003001"
ARCH_UEFI = (7).to_bytes(2, "big")


def replied(response: object) -> Reply:
    assert isinstance(response, Reply), response
    return response


@pytest.mark.parametrize("datagram", [IPXE_DISCOVER, OVMF_DISCOVER])
def test_firmware_as_captured_is_offered_what_boots_and_no_address(datagram: bytes) -> None:
    reply = replied(respond_as_proxy(decode(datagram), OFFER))
    packet = reply.packet
    assert (reply.kind, reply.address, reply.port) == (Answered.OFFER, EVERYBODY, 68)
    assert (packet.yiaddr, packet.siaddr, packet.file) == (NOBODY, SERVER, b"lpxelinux.0")
    assert packet.options[OptionCode.VENDOR_CLASS] == b"PXEClient"
    assert packet.options[OptionCode.SERVER_IDENTIFIER] == SERVER.packed
    assert not packet.options.keys() & set(LEASE)
    assert OptionCode.IPXE_ENCAPSULATED not in packet.options


def test_option_43_is_for_bios_and_ipxe_and_kept_from_uefi() -> None:
    for_ipxe = replied(respond_as_proxy(decode(IPXE_DISCOVER), OFFER)).packet.options
    assert for_ipxe[OptionCode.VENDOR_SPECIFIC] == b"\x06\x01\x08\xff"
    for_uefi = replied(respond_as_proxy(decode(OVMF_DISCOVER), OFFER)).packet.options
    assert OptionCode.VENDOR_SPECIFIC not in for_uefi


def test_uefi_http_boot_hears_its_own_class_and_the_url() -> None:
    request = ask(MessageType.DISCOVER, VENDOR_CLASS=HTTP, CLIENT_ARCHITECTURE=b"\0\x10")
    url = b"http://10.77.0.1:8069/boot/firmware/snponly.efi"
    options = replied(respond_as_proxy(request, replace(OFFER, boot_filename=url))).packet.options
    assert options[OptionCode.VENDOR_CLASS] == b"HTTPClient"
    assert options[OptionCode.BOOT_FILENAME] == url


def test_the_boot_service_acknowledges_who_comes_with_an_address() -> None:
    request = replace(
        ask(MessageType.REQUEST, VENDOR_CLASS=UEFI, CLIENT_ARCHITECTURE=ARCH_UEFI),
        ciaddr=IPv4Address("10.77.0.23"),
    )
    reply = replied(respond_on_boot_port(request, OFFER))
    assert (reply.kind, reply.packet.file) == (Answered.ACK, b"lpxelinux.0")
    assert (reply.packet.yiaddr, reply.address) == (NOBODY, IPv4Address("10.77.0.23"))


@pytest.mark.parametrize(
    "message", [each for each in MessageType if each is not MessageType.DISCOVER]
)
def test_a_proxy_leaves_addresses_to_the_other_server(message: MessageType) -> None:
    assert isinstance(respond_as_proxy(ask(message, VENDOR_CLASS=UEFI), OFFER), Unanswered)


def test_a_system_that_has_booted_hears_nothing() -> None:
    assert isinstance(respond_as_proxy(ask(MessageType.DISCOVER), OFFER), Unanswered)
    assert isinstance(respond_on_boot_port(ask(MessageType.REQUEST), OFFER), Unanswered)


def test_a_machine_that_has_nothing_to_boot_hears_nothing() -> None:
    empty = replace(OFFER, boot_filename=b"")
    assert isinstance(respond_as_proxy(decode(OVMF_DISCOVER), empty), Unanswered)


def test_a_relayed_discover_is_answered_through_the_relay_and_option_82_comes_back() -> None:
    request = replace(
        ask(MessageType.DISCOVER, VENDOR_CLASS=UEFI, RELAY_AGENT_INFORMATION=b"\1\2ab"),
        giaddr=RELAY,
    )
    reply = replied(respond_as_proxy(request, OFFER))
    assert (reply.address, reply.port) == (RELAY, 67)
    assert reply.packet.options[OptionCode.RELAY_AGENT_INFORMATION] == b"\1\2ab"


@given(st.sampled_from(MessageType), st.binary(max_size=40), st.binary(max_size=4))
def test_any_question_is_answered_or_not_but_never_fails(
    message: MessageType, vendor: bytes, arch: bytes
) -> None:
    request = ask(message, VENDOR_CLASS=vendor, CLIENT_ARCHITECTURE=arch)
    for response in (respond_as_proxy(request, OFFER), respond_on_boot_port(request, OFFER)):
        if isinstance(response, Reply):
            assert decode(encode(response.packet)).xid == request.xid
