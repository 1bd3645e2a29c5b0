"""Frames that tell a segment who has an address now: gratuitous ARP, neighbour advertisements.

RFC 826 and RFC 5227 section 3 (an announcement is a request whose sender and target addresses are
both the announced one; some switches and hosts learn from replies only, so both are sent), RFC
4861 section 4.4 and 7.2.6 (an unsolicited advertisement to all nodes, with the override flag).
Nothing is received here.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final

BROADCAST: Final = b"\xff" * 6
ALL_NODES_MAC: Final = bytes.fromhex("333300000001")
ALL_NODES: Final = IPv6Address("ff02::1")
MAC_BYTES: Final = 6
_ETHERNET: Final = struct.Struct("!6s6sH")
_ARP: Final = struct.Struct("!HHBBH6s4s6s4s")
_IPV6: Final = struct.Struct("!IHBB16s16s")
_ETHERTYPE_IPV4: Final = 0x0800
_ETHERTYPE_ARP: Final = 0x0806
_ETHERTYPE_IPV6: Final = 0x86DD
_REQUEST: Final = 1
_REPLY: Final = 2
_ICMPV6: Final = 58
_NEIGHBOUR_ADVERTISEMENT: Final = 136
_OVERRIDE: Final = 0x20000000
_TARGET_LINK_LAYER_ADDRESS: Final = 2
_HOP_LIMIT: Final = 255


def announcements(address: IPv4Address | IPv6Address, mac: bytes) -> tuple[bytes, ...]:
    """The Ethernet frames that announce the address. mac: MAC_BYTES of the interface."""
    if isinstance(address, IPv4Address):
        return _arp(address, mac, _REQUEST), _arp(address, mac, _REPLY)
    return (_advertisement(address, mac),)


def _arp(address: IPv4Address, mac: bytes, operation: int) -> bytes:
    target_mac = bytes(MAC_BYTES) if operation == _REQUEST else mac
    ip = address.packed
    body = _ARP.pack(1, _ETHERTYPE_IPV4, MAC_BYTES, 4, operation, mac, ip, target_mac, ip)
    return _ETHERNET.pack(BROADCAST, mac, _ETHERTYPE_ARP) + body


def _advertisement(address: IPv6Address, mac: bytes) -> bytes:
    option = struct.pack("!BB6s", _TARGET_LINK_LAYER_ADDRESS, 1, mac)
    body = struct.pack("!I16s", _OVERRIDE, address.packed) + option
    length = 4 + len(body)
    pseudo = address.packed + ALL_NODES.packed + struct.pack("!I3xB", length, _ICMPV6)
    head = struct.pack("!BBH", _NEIGHBOUR_ADVERTISEMENT, 0, 0)
    checksum = internet_checksum(pseudo + head + body)
    icmp = struct.pack("!BBH", _NEIGHBOUR_ADVERTISEMENT, 0, checksum) + body
    header = _IPV6.pack(6 << 28, length, _ICMPV6, _HOP_LIMIT, address.packed, ALL_NODES.packed)
    return _ETHERNET.pack(ALL_NODES_MAC, mac, _ETHERTYPE_IPV6) + header + icmp


def internet_checksum(data: bytes) -> int:
    """RFC 1071, of data of an even length."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
