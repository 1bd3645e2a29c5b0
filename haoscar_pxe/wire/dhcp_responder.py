"""The DHCP server's half of the conversation: a packet and what it may be given become a reply.

Sources: RFC 2131 sections 4.1 and 4.3, RFC 951, RFC 3046 (relays), RFC 6842 (client identifier),
RFC 4578 (PXE). The responder remembers nothing: a client's four packets are answered each for
itself, so two servers with the same registry say the same. Who gets which address is decided
elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface
from typing import Final, TypeAlias

from haoscar_pxe.wire.dhcp_options import OptionCode, text
from haoscar_pxe.wire.dhcp_packet import (
    BROADCAST_FLAG,
    CLIENT_PORT,
    FILE_BYTES,
    NOBODY,
    SERVER_PORT,
    MessageType,
    Op,
    Packet,
    encoded_bytes,
)

EVERYBODY: Final = IPv4Address("255.255.255.255")
SMALLEST_MAXIMUM_BYTES: Final = 576  # RFC 2132 section 9.10: what every client accepts
IP_AND_UDP_BYTES: Final = 28  # option 57 counts them (as every client means it)

IPXE_NO_PROXY_DHCP: Final = b"\xb0\x01\x01"
"""no-pxedhcp (https://ipxe.org/howto/dhcpd): without it iPXE waits 3 s for a proxy's offer."""

ECHOED: Final = (
    OptionCode.CLIENT_IDENTIFIER,  # RFC 6842 section 3
    OptionCode.CLIENT_UUID,  # RFC 4578 section 2.3
    OptionCode.RELAY_AGENT_INFORMATION,  # RFC 3046 section 2.2
)
NEEDED: Final = frozenset(ECHOED) | {
    OptionCode.MESSAGE_TYPE,
    OptionCode.SERVER_IDENTIFIER,
    OptionCode.LEASE_TIME,
    OptionCode.SUBNET_MASK,
    OptionCode.ROUTER,
    OptionCode.VENDOR_CLASS,
    OptionCode.BOOT_FILENAME,
}


class Answered(StrEnum):
    """The kind of a reply, in the words of the RFCs."""

    OFFER = "OFFER"
    ACK = "ACK"
    NAK = "NAK"
    BOOTREPLY = "BOOTREPLY"


_SAID: Final = {
    Answered.OFFER: bytes([MessageType.OFFER]),
    Answered.ACK: bytes([MessageType.ACK]),
    Answered.NAK: bytes([MessageType.NAK]),
}


@dataclass(frozen=True, slots=True)
class Offer:
    """All that a client may be given.

    server_id: this server's address as the client reaches it. address: with its network's prefix
    length. boot_filename: b"" for none, and then siaddr is not sent either. lease_s: seconds.
    options: sent besides, and instead of what the responder would send under the same code.
    """

    server_id: IPv4Address
    address: IPv4Interface
    lease_s: int
    siaddr: IPv4Address = NOBODY
    boot_filename: bytes = b""
    options: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """A packet and the UDP address it must be sent to."""

    kind: Answered
    packet: Packet
    address: IPv4Address
    port: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """RFC 2131 has this server say nothing, and why."""

    reason: str


Response: TypeAlias = Reply | Unanswered


def respond(request: Packet, offer: Offer) -> Response:
    """The answer to one packet of a client that may have `offer`."""
    if request.op != Op.BOOTREQUEST:
        return Unanswered("it is a reply of another server")
    if request.is_bootp:
        return grant(request, offer, Answered.BOOTREPLY)
    match request.message_type:
        case MessageType.DISCOVER:
            return grant(request, offer, Answered.OFFER)
        case MessageType.REQUEST:
            return _answer_request(request, offer)
        case MessageType.INFORM:
            return grant(request, offer, Answered.ACK)
        case _:
            return Unanswered("a server does not answer this message type")


def _answer_request(request: Packet, offer: Offer) -> Response:
    """RFC 2131 section 4.3.2: selecting, rebooting, renewing and rebinding clients."""
    chosen = request.address_option(OptionCode.SERVER_IDENTIFIER)
    if chosen is not None and chosen != offer.server_id:
        return Unanswered(f"it chose the offer of {chosen}")
    wanted = request.address_option(OptionCode.REQUESTED_ADDRESS)
    if wanted is None and request.ciaddr != NOBODY:
        wanted = request.ciaddr
    if wanted is None:
        return Unanswered("its REQUEST names no address")
    if wanted != offer.address.ip:
        return _refuse(request, offer, f"{wanted} is not its address, {offer.address.ip} is")
    return grant(request, offer, Answered.ACK)


def grant(request: Packet, offer: Offer, kind: Answered) -> Reply:
    """All of the offer, as a message of this kind."""
    is_inform = request.message_type is MessageType.INFORM
    filename = offer.boot_filename
    reply = Packet(
        op=Op.BOOTREPLY,
        xid=request.xid,
        chaddr=request.chaddr,
        htype=request.htype,
        flags=request.flags,
        ciaddr=NOBODY if kind is Answered.OFFER else request.ciaddr,
        yiaddr=NOBODY if is_inform else offer.address.ip,
        siaddr=offer.siaddr if filename else NOBODY,
        giaddr=request.giaddr,
        file=filename if len(filename) < FILE_BYTES else b"",
        options=_granted_options(request, offer, kind),
    )
    return _addressed(_fitted(reply, request), kind)


def _granted_options(request: Packet, offer: Offer, kind: Answered) -> dict[int, bytes]:
    options: dict[int, bytes] = {
        OptionCode.SUBNET_MASK: offer.address.netmask.packed,
        OptionCode.BROADCAST_ADDRESS: offer.address.network.broadcast_address.packed,
    }
    if request.message_type in (MessageType.DISCOVER, MessageType.REQUEST):
        options[OptionCode.LEASE_TIME] = offer.lease_s.to_bytes(4, "big")
    options |= _boot_options(request, offer) | dict(offer.options)
    return options | _conversation(request, offer, kind)


def _boot_options(request: Packet, offer: Offer) -> dict[int, bytes]:
    """What is sent besides the header's `file` and `siaddr`, option 67 only where it is needed.

    Old ROMs that read option 67 as a C string ask TFTP for the name and what follows it, so who
    can take the name from the header is not given the option. UEFI HTTP boot wants its own class
    back (UEFI 2.10 section 24.7.2), and a name longer than the header's field has no other place.
    """
    is_http = text(request.options.get(OptionCode.VENDOR_CLASS, b"")).startswith("HTTPClient")
    if not offer.boot_filename:
        return {}
    options: dict[int, bytes] = {}
    if is_http:
        options[OptionCode.VENDOR_CLASS] = b"HTTPClient"
    if is_http or len(offer.boot_filename) >= FILE_BYTES:
        options[OptionCode.BOOT_FILENAME] = offer.boot_filename
    if OptionCode.IPXE_ENCAPSULATED in request.options:
        options[OptionCode.IPXE_ENCAPSULATED] = IPXE_NO_PROXY_DHCP
    return options


def _conversation(request: Packet, offer: Offer, kind: Answered) -> dict[int, bytes]:
    """Which message this is, from whom, and what must come back as it was said."""
    echoed: dict[int, bytes] = {
        code: request.options[code] for code in ECHOED if code in request.options
    }
    if kind is Answered.BOOTREPLY:
        return echoed
    return echoed | {
        OptionCode.MESSAGE_TYPE: _SAID[kind],
        OptionCode.SERVER_IDENTIFIER: offer.server_id.packed,
    }


def _refuse(request: Packet, offer: Offer, reason: str) -> Reply:
    """A NAK sends the client back to DISCOVER, where it will hear its right address.

    A relay must broadcast it (RFC 2131 section 4.3.2): the client cannot use its address there.
    """
    said = {OptionCode.MESSAGE: reason.encode("ascii", "replace")[:255]}
    reply = Packet(
        op=Op.BOOTREPLY,
        xid=request.xid,
        chaddr=request.chaddr,
        htype=request.htype,
        flags=request.flags | (BROADCAST_FLAG if request.giaddr != NOBODY else 0),
        giaddr=request.giaddr,
        options=said | _conversation(request, offer, Answered.NAK),
    )
    return replace(_addressed(reply, Answered.NAK), reason=reason)


def _fitted(reply: Packet, request: Packet) -> Packet:
    """Leave out what the client can do without until it is no longer than the client accepts."""
    value = request.options.get(OptionCode.MAXIMUM_MESSAGE_SIZE, b"")
    most = max(int.from_bytes(value, "big") if len(value) == 2 else 0, SMALLEST_MAXIMUM_BYTES)
    for code in reversed(list(reply.options)):
        if encoded_bytes(reply) <= most - IP_AND_UDP_BYTES:
            break
        if code not in NEEDED:
            kept = {other: reply.options[other] for other in reply.options if other != code}
            reply = replace(reply, options=kept)
    return reply


def _addressed(reply: Packet, kind: Answered) -> Reply:
    address, port = destination(reply, is_nak=kind is Answered.NAK)
    return Reply(kind, reply, address, port)


def destination(reply: Packet, *, is_nak: bool) -> tuple[IPv4Address, int]:
    """Where a reply goes (RFC 2131 section 4.1).

    A client without an address is answered by broadcast even if it could hear unicast: a plain
    socket would ask by ARP for an address that nobody holds yet.
    """
    if reply.giaddr != NOBODY:
        return reply.giaddr, SERVER_PORT
    if reply.ciaddr != NOBODY and not is_nak:
        return reply.ciaddr, CLIENT_PORT
    return EVERYBODY, CLIENT_PORT
