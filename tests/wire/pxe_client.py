"""UEFI firmware beside a proxy, as seen on the wire: DISCOVER, then a REQUEST on port 4011.

    python -m tests.wire.pxe_client SERVER

Packets are made and read by scapy. Prints one JSON object of what each answer said.
"""

from __future__ import annotations

import json
import socket
import sys

from scapy.layers.dhcp import BOOTP, DHCP

from tests.wire.namespaces import CLIENT_ADDRESS, CLIENT_MAC

HEARS_WITHIN_S = 5.0


def question(kind: str, ciaddr: str = "0.0.0.0") -> bytes:
    """A packet of OVMF's, by its options."""
    chaddr = bytes.fromhex(CLIENT_MAC.replace(":", "")) + bytes(10)
    options = [
        ("message-type", kind),
        ("vendor_class_id", b"PXEClient:Arch:00007:UNDI:003000"),
        (93, b"\x00\x07"),
        (97, b"\x00" + bytes(range(16))),
        "end",
    ]
    return bytes(BOOTP(chaddr=chaddr, xid=77, flags=0x8000, ciaddr=ciaddr) / DHCP(options=options))


def said(datagram: bytes, peer: tuple[str, int]) -> dict[str, object]:
    """What an answer says, in JSON's types."""
    packet = BOOTP(datagram)
    options = {each[0]: each[1] for each in packet[DHCP].options if isinstance(each, tuple)}
    return {
        "from": list(peer),
        "type": options["message-type"],
        "yiaddr": packet.yiaddr,
        "siaddr": packet.siaddr,
        "file": packet.file.rstrip(b"\0").decode(),
        "class": bytes(options["vendor_class_id"]).decode(),
        "options": sorted(str(name) for name in options),
    }


def main(server: str) -> None:
    """Ask both ports, the second from a port of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as discover:
        discover.settimeout(HEARS_WITHIN_S)
        discover.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        discover.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        discover.bind(("", 68))
        discover.sendto(question("discover"), ("255.255.255.255", 67))
        offer = said(*discover.recvfrom(4096))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as request:
        request.settimeout(HEARS_WITHIN_S)
        own = CLIENT_ADDRESS.partition("/")[0]
        request.bind((own, 0))
        request.sendto(question("request", own), (server, 4011))
        ack = said(*request.recvfrom(4096))
    sys.stdout.write(json.dumps({"offer": offer, "ack": ack}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
