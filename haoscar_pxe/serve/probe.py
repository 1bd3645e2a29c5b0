"""Ask the network what a booting machine would be told: who answers DHCP, and the boot file.

For `doctor`. The questions are other people's code on purpose, scapy for DHCP and tftpy for TFTP,
so that a mistake of our own server is not asked about by the same mistake.

Sources: RFC 2131 section 4.3.1 (the server identifier in every offer), RFC 1350. Nothing is
requested or leased: a DISCOVER that is not followed by a REQUEST is forgotten by the server.
"""

from __future__ import annotations

import io
import logging
import os
import time
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

from haoscar_pxe.errors import ServeError

OFFERS_WITHIN_S: Final = 5.0
"""dnsmasq pings an address for 3 s before it offers it, if nobody asked it lately."""
BLKSIZE: Final = 1428
ANSWER_WITHIN_S: Final = 2
"""Of each packet; tftpy asks three times."""
FLAG_BROADCAST: Final = 0x8000  # RFC 2131 section 2


@dataclass(frozen=True, slots=True)
class Offer:
    """One DHCPOFFER. server_id: option 54. server_mac: of the frame, so of the last hop.

    boot_filename: "" if the server would not boot anybody.
    """

    server_id: str
    server_mac: str
    address: IPv4Address
    boot_filename: str


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file that came over TFTP."""

    size_bytes: int
    seconds: float


def find_dhcp_servers(interface: str, within_s: float = OFFERS_WITHIN_S) -> list[Offer]:
    """All offers to a DISCOVER broadcast from the interface, one for each server; needs root.

    It asks as a PXE client does, for some servers answer only those. Raises ServeError if the
    interface cannot be used.
    """
    # scapy costs 0.45 s and 71 MB, so only whoever asks pays; it logs about routes on import.
    logging.getLogger("scapy").setLevel(logging.ERROR)
    from scapy.config import conf
    from scapy.sendrecv import srp

    conf.checkIPaddr = False  # the answer comes from an address that nobody asked
    try:
        question = _discover(_mac_of(interface))
        answered, _ = srp(
            question, iface=interface, timeout=within_s, multi=True, verbose=False, promisc=False
        )
    except OSError as error:
        raise ServeError(
            f"cannot ask for DHCP servers on {interface}: {error.strerror or error}",
            hint=f"is {interface} up, and are you root? 'ip link show {interface}'",
        ) from error
    offers = [_offer(packet) for _, packet in answered]
    return sorted({offer for offer in offers if offer}, key=lambda offer: offer.server_id)


def fetch_boot_file(
    server: IPv4Address, name: str, *, port: int = 69, source: str = ""
) -> FetchedFile:
    """Fetch a file by TFTP. source: the local address to ask from, "" for any.

    Raises ServeError with the server's words, or that there is no answer.
    """
    from tftpy import TftpClient
    from tftpy.TftpShared import TftpException

    logging.getLogger("tftpy").setLevel(logging.CRITICAL)
    content = _Counter()
    began = time.monotonic()
    try:
        client = TftpClient(str(server), port, {"blksize": BLKSIZE}, localip=source)
        client.download(name, content, timeout=ANSWER_WITHIN_S)
    except (TftpException, OSError) as error:
        raise ServeError(
            f"{server} did not give the boot file '{name}' by TFTP: {error}",
            hint="look at what 'haoscar-pxe serve' says, and for a firewall before UDP port 69",
        ) from error
    return FetchedFile(content.size_bytes, time.monotonic() - began)


class _Counter(io.RawIOBase):
    """A file that only counts what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.size_bytes = 0

    def write(self, data: Any) -> int:
        self.size_bytes += len(data)
        return len(data)


def _discover(mac: str) -> Any:
    from scapy.layers.dhcp import BOOTP, DHCP
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether

    bootp = BOOTP(
        chaddr=bytes.fromhex(mac.replace(":", "")),
        xid=int.from_bytes(os.urandom(4)),
        flags=FLAG_BROADCAST,
    )
    options = [
        ("message-type", "discover"),
        ("vendor_class_id", b"PXEClient:Arch:00000:UNDI:002001"),
        ("param_req_list", [1, 3, 6, 54, 66, 67]),
        "end",
    ]
    ethernet = Ether(src=mac, dst="ff:ff:ff:ff:ff:ff")
    ip = IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
    return ethernet / ip / bootp / DHCP(options=options)


def _offer(packet: Any) -> Offer | None:
    """The offer in a packet, None if it is something else."""
    from scapy.layers.dhcp import BOOTP, DHCP
    from scapy.layers.l2 import Ether

    if DHCP not in packet:
        return None
    # scapy gives [("message-type", 2), ("server_id", "10.0.0.1"), …, "end"].
    options = {option[0]: option[1] for option in packet[DHCP].options if len(option) == 2}
    if options.get("message-type") != 2:  # DHCPOFFER, RFC 2132 section 9.6
        return None
    named = options.get("boot-file-name") or packet[BOOTP].file
    return Offer(
        server_id=str(options.get("server_id", packet[BOOTP].siaddr)),
        server_mac=str(packet[Ether].src),
        address=IPv4Address(packet[BOOTP].yiaddr),
        boot_filename=bytes(named).rstrip(b"\0").decode("ascii", "replace"),
    )


def _mac_of(interface: str) -> str:
    return Path("/sys/class/net", interface, "address").read_text().strip()
