"""What the probe asks is a DISCOVER to every decoder, and only offers are taken for offers."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from haoscar_pxe.serve.probe import Offer, _discover, _offer
from haoscar_pxe.wire.dhcp_packet import MessageType, decode

MAC = "52:54:00:00:00:01"


def answer(*options: tuple[str, object], file: bytes = b"") -> object:
    frame = Ether(src="52:54:00:00:00:99", dst="ff:ff:ff:ff:ff:ff")
    datagram = IP(src="10.77.0.2", dst="255.255.255.255") / UDP(sport=67, dport=68)
    bootp = BOOTP(op=2, yiaddr="10.77.0.99", siaddr="10.77.0.3", file=file)
    packet = frame / datagram / bootp / DHCP(options=[*options, "end"])
    return Ether(bytes(packet))


def test_the_question_is_a_discover_of_a_pxe_client() -> None:
    packet = decode(bytes(_discover(MAC)[BOOTP]))
    assert packet.message_type is MessageType.DISCOVER
    assert packet.mac == MAC
    assert packet.wants_broadcast
    assert packet.options[60].startswith(b"PXEClient")


def test_each_question_has_an_id_of_its_own() -> None:
    assert decode(bytes(_discover(MAC)[BOOTP])).xid != decode(bytes(_discover(MAC)[BOOTP])).xid


def test_an_offer_says_who_made_it() -> None:
    packet = answer(("message-type", 2), ("server_id", "10.77.0.2"), file=b"pxelinux.0")
    assert _offer(packet) == Offer(
        "10.77.0.2", "52:54:00:00:00:99", IPv4Address("10.77.0.99"), "pxelinux.0"
    )


def test_the_boot_files_option_counts_more_than_its_field() -> None:
    packet = answer(("message-type", 2), ("boot-file-name", b"grubx64.efi\0"), file=b"old")
    offer = _offer(packet)
    assert offer is not None
    assert offer.boot_filename == "grubx64.efi"


def test_a_server_that_does_not_say_its_name_is_named_by_its_next_server() -> None:
    offer = _offer(answer(("message-type", 2)))
    assert offer is not None
    assert offer.server_id == "10.77.0.3"


@pytest.mark.parametrize("message", [5, 6])
def test_other_messages_are_no_offers(message: int) -> None:
    assert _offer(answer(("message-type", message), ("server_id", "10.77.0.2"))) is None


def test_a_packet_without_dhcp_is_no_offer() -> None:
    assert _offer(Ether() / IP() / UDP()) is None
