from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haoscar_pxe.serve.counters import Counters
from haoscar_pxe.serve.dhcp import DhcpRole, DhcpService, asker_of
from haoscar_pxe.wire.dhcp_options import OptionCode
from haoscar_pxe.wire.dhcp_packet import MessageType, Packet, decode, encode
from tests.unit.serve.fixed_answers import FixedAnswers, known
from tests.unit.wire.captured import IPXE_DISCOVER, MAC, OVMF_DISCOVER

SERVER = IPv4Address("127.0.0.1")
PEER = "0.0.0.0"
NODE = "52:54:00:00:00:01"


@pytest.fixture
def answers() -> FixedAnswers:
    return FixedAnswers(addresses={NODE: known("10.77.0.20/24")})


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def service(answers: FixedAnswers, counters: Counters) -> Iterator[DhcpService]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        yield DhcpService(sock, SERVER, answers, counters)


def test_a_known_machine_is_offered_its_address(service: DhcpService) -> None:
    outgoing = service.handle(IPXE_DISCOVER, PEER)
    assert outgoing is not None
    assert (outgoing.address, outgoing.port) == ("255.255.255.255", 68)
    assert decode(outgoing.datagram).yiaddr == IPv4Address("10.77.0.20")
    assert decode(outgoing.datagram).siaddr == SERVER


def test_a_stranger_is_not_answered_and_the_log_says_why(
    service: DhcpService, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = replace(decode(IPXE_DISCOVER), chaddr=bytes(6))
    with caplog.at_level(logging.INFO):
        assert service.handle(encode(stranger), PEER) is None
    assert "nobody knows it" in caplog.text


def test_the_decision_hears_who_asks(service: DhcpService, answers: FixedAnswers) -> None:
    service.handle(IPXE_DISCOVER, PEER)
    service.handle(OVMF_DISCOVER, PEER)
    ipxe, ovmf = answers.askers
    assert (ipxe.mac, ipxe.message, ipxe.arch) == (NODE, "DISCOVER", 0)
    assert (ipxe.user_class, ipxe.is_ipxe, ipxe.is_pxe) == ("iPXE", True, True)
    assert ipxe.client_uuid == "0" * 32
    assert (ovmf.arch, ovmf.is_ipxe, ovmf.is_pxe) == (7, False, True)
    assert ovmf.vendor_class == "PXEClient:Arch:00007:UNDI:003000"


def test_a_machine_that_has_an_address_says_so_in_ciaddr() -> None:
    packet = replace(decode(IPXE_DISCOVER), ciaddr=IPv4Address("10.77.0.9"))
    asker = asker_of(packet)
    assert asker is not None
    assert asker.requested_ip == IPv4Address("10.77.0.9")


@pytest.mark.parametrize("message", [MessageType.DECLINE, MessageType.RELEASE])
def test_a_client_that_only_tells_is_not_answered(
    service: DhcpService, answers: FixedAnswers, message: MessageType
) -> None:
    options: dict[int, bytes] = {OptionCode.MESSAGE_TYPE: bytes([message])}
    told = Packet(op=1, xid=1, chaddr=MAC, options=options)
    assert service.handle(encode(told), PEER) is None
    assert answers.askers == []


def test_an_address_that_is_left_is_told_with_the_reason_unless_it_is_another_servers(
    service: DhcpService, answers: FixedAnswers
) -> None:
    address = IPv4Address("10.77.0.101")
    for chosen in (SERVER, IPv4Address("10.77.0.2")):
        common: dict[int, bytes] = {OptionCode.SERVER_IDENTIFIER: chosen.packed}
        release = common | {OptionCode.MESSAGE_TYPE: bytes([MessageType.RELEASE])}
        decline = common | {
            OptionCode.MESSAGE_TYPE: bytes([MessageType.DECLINE]),
            OptionCode.REQUESTED_ADDRESS: address.packed,
        }
        service.handle(encode(Packet(1, 1, MAC, ciaddr=address, options=release)), PEER)
        service.handle(encode(Packet(1, 1, MAC, options=decline)), PEER)
    mac = MAC.hex(":")
    assert answers.back == [(mac, str(address), False), (mac, str(address), True)]


def test_an_option_of_the_decision_that_cannot_be_sent_fails_alone(
    service: DhcpService, answers: FixedAnswers, counters: Counters
) -> None:
    answers.addresses[NODE] = replace(known("10.77.0.20/24"), options=((0, b""),))
    assert service.handle(IPXE_DISCOVER, PEER) is None
    answers.addresses[NODE] = known("10.77.0.20/24")
    assert service.handle(IPXE_DISCOVER, PEER) is not None
    assert counters["dhcp OFFER"] == 1


def test_a_bug_in_the_decision_fails_alone(
    service: DhcpService, answers: FixedAnswers, counters: Counters
) -> None:
    good = dict(answers.addresses)
    answers.addresses = None  # type: ignore[assignment]
    assert service.handle(IPXE_DISCOVER, PEER) is None
    answers.addresses = good
    assert service.handle(IPXE_DISCOVER, PEER) is not None
    assert counters["dhcp failed"] == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=700), st.booleans())
def test_no_datagram_stops_it(service: DhcpService, datagram: bytes, looks_right: bool) -> None:
    service.handle(IPXE_DISCOVER[:243] + datagram if looks_right else datagram, PEER)


def test_a_name_with_a_line_break_stays_on_its_line_of_the_log(
    service: DhcpService, caplog: pytest.LogCaptureFixture
) -> None:
    packet = decode(IPXE_DISCOVER)
    options = {**packet.options, OptionCode.VENDOR_CLASS: b"PXE\nforged line"}
    with caplog.at_level(logging.INFO):
        service.handle(encode(replace(packet, options=options)), PEER)
    assert all("\n" not in record.getMessage() for record in caplog.records)


def test_the_boot_service_answers_to_where_the_question_came_from(
    answers: FixedAnswers, counters: Counters
) -> None:
    request = replace(
        decode(OVMF_DISCOVER),
        ciaddr=IPv4Address("10.77.0.23"),
        options=dict(decode(OVMF_DISCOVER).options)
        | {OptionCode.MESSAGE_TYPE: bytes([MessageType.REQUEST])},
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        service = DhcpService(sock, SERVER, answers, counters, DhcpRole.BOOT_SERVICE)
        outgoing = service.handle(encode(request), "10.77.0.23", 40000)
    assert outgoing is not None
    assert (outgoing.address, outgoing.port) == ("10.77.0.23", 40000)


def test_a_proxy_offers_no_address(answers: FixedAnswers, counters: Counters) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        service = DhcpService(sock, SERVER, answers, counters, DhcpRole.PROXY)
        outgoing = service.handle(IPXE_DISCOVER, PEER)
    assert outgoing is not None
    assert decode(outgoing.datagram).yiaddr == IPv4Address(0)
    assert counters.snapshot()["dhcp OFFER"] == 1


def test_another_server_on_the_segment_is_told_once(
    service: DhcpService, counters: Counters, caplog: pytest.LogCaptureFixture
) -> None:
    def choosing(server: str) -> bytes:
        options: dict[int, bytes] = {
            OptionCode.MESSAGE_TYPE: bytes([MessageType.REQUEST]),
            OptionCode.SERVER_IDENTIFIER: IPv4Address(server).packed,
            OptionCode.REQUESTED_ADDRESS: IPv4Address("10.77.0.20").packed,
        }
        return encode(Packet(1, 1, MAC, options=options))

    with caplog.at_level(logging.WARNING):
        service.handle(choosing(str(SERVER)), PEER)
        assert caplog.text == ""
        for _ in range(3):
            assert service.handle(choosing("10.77.0.2"), PEER) is None
        for number in range(100):
            service.handle(choosing(f"10.77.1.{number}"), PEER)
    assert caplog.text.count("chose the offer of 10.77.0.2:") == 1
    assert len(caplog.records) == 16
    assert counters["dhcp other server chosen"] == 103


def test_a_proxy_expects_the_other_server(
    answers: FixedAnswers, counters: Counters, caplog: pytest.LogCaptureFixture
) -> None:
    options: dict[int, bytes] = {
        OptionCode.MESSAGE_TYPE: bytes([MessageType.REQUEST]),
        OptionCode.SERVER_IDENTIFIER: IPv4Address("10.77.0.2").packed,
    }
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        service = DhcpService(sock, SERVER, answers, counters, DhcpRole.PROXY)
        with caplog.at_level(logging.WARNING):
            service.handle(encode(Packet(1, 1, MAC, options=options)), PEER)
    assert caplog.text == ""


def request(mac: bytes, address: IPv4Address, chosen: IPv4Address = SERVER) -> bytes:
    """A client that takes the offer of `chosen`."""
    options: dict[int, bytes] = {
        OptionCode.MESSAGE_TYPE: bytes([MessageType.REQUEST]),
        OptionCode.SERVER_IDENTIFIER: chosen.packed,
        OptionCode.REQUESTED_ADDRESS: address.packed,
    }
    return encode(Packet(op=1, xid=1, chaddr=mac, options=options))


def test_only_the_ack_of_a_lease_waits_for_the_disk(
    service: DhcpService, answers: FixedAnswers
) -> None:
    """An offer promises nothing, and neither does what another server was chosen for."""
    address = IPv4Address("10.77.0.20")
    answers.strangers.add(NODE)
    discover = service.handle(IPXE_DISCOVER, PEER)
    assert discover is not None
    assert not discover.is_promise
    assert service.handle(request(MAC, address, IPv4Address("10.77.0.2")), PEER) is None
    refused = service.handle(request(MAC, IPv4Address("10.77.0.99")), PEER)
    assert refused is not None
    assert not refused.is_promise
    assert answers.leases == []
    granted = service.handle(request(MAC, address), PEER)
    assert granted is not None
    assert granted.is_promise
    assert answers.leases == [(NODE, str(address))]
    answers.strangers.clear()
    known_nodes = service.handle(request(MAC, address), PEER)
    assert known_nodes is not None
    assert not known_nodes.is_promise


def test_a_boots_questions_are_in_its_timeline_and_a_systems_are_not(
    service: DhcpService, answers: FixedAnswers
) -> None:
    service.handle(IPXE_DISCOVER, PEER)
    service.handle(OVMF_DISCOVER, PEER)
    renewing = decode(request(MAC, IPv4Address("10.77.0.20")))
    service.handle(encode(renewing), PEER)
    said = [(who, each.kind, each.message) for who, each in answers.happenings]
    given = "DISCOVER -> OFFER 10.77.0.20 lpxelinux.0"
    assert said == [(NODE, "iPXE asked", given), (NODE, "firmware asked", given)]
