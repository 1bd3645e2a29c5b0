"""Announcements, as scapy reads them."""

from __future__ import annotations

from ipaddress import ip_address

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from haoscar_pxe.wire.announcement import announcements, internet_checksum

MAC = bytes.fromhex("525400770010")
TEXT = "52:54:00:77:00:10"


def test_an_ipv4_address_is_announced_by_a_request_and_a_reply_from_and_for_itself() -> None:
    frames = [Ether(frame) for frame in announcements(ip_address("10.77.0.100"), MAC)]
    assert [frame[ARP].op for frame in frames] == [1, 2]
    for frame in frames:
        assert (frame.src, frame.dst) == (TEXT, "ff:ff:ff:ff:ff:ff")
        assert (frame[ARP].hwsrc, frame[ARP].psrc) == (TEXT, "10.77.0.100")
        assert frame[ARP].pdst == "10.77.0.100"


def test_an_ipv6_address_is_announced_to_all_nodes_with_the_override_flag() -> None:
    (raw,) = announcements(ip_address("fd00:77::100"), MAC)
    frame = Ether(raw)
    assert (frame.src, frame.dst) == (TEXT, "33:33:00:00:00:01")
    assert (frame[IPv6].src, frame[IPv6].dst, frame[IPv6].hlim) == ("fd00:77::100", "ff02::1", 255)
    said = frame[ICMPv6ND_NA]
    assert (said.tgt, said.O, said.S, said.R) == ("fd00:77::100", 1, 0, 0)
    assert said[ICMPv6NDOptDstLLAddr].lladdr == TEXT


def test_the_checksum_of_the_advertisement_is_the_one_that_scapy_computes() -> None:
    (raw,) = announcements(ip_address("fd00:77::100"), MAC)
    frame = Ether(raw)
    said = frame[ICMPv6ND_NA].cksum
    del frame[ICMPv6ND_NA].cksum
    assert Ether(bytes(frame))[ICMPv6ND_NA].cksum == said


def test_a_checksum_over_data_and_its_checksum_is_zero() -> None:
    data = bytes(range(40))
    total = internet_checksum(data)
    assert internet_checksum(data + total.to_bytes(2, "big")) == 0
