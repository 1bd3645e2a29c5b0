"""A proxy's half of the conversation: another server gives the addresses, this one what boots.

Source: the PXE specification 2.1, sections 2.2 and 2.3. A client is offered boot information and
no address, and makes one answer of that and of the other server's offer. Seen with real firmware:

- BIOS ROMs and iPXE take the boot file out of the offer if option 43 tells them not to look for
  boot servers (PXE_DISCOVERY_CONTROL, bit 3);
- UEFI (OVMF) takes it only without that option 43, and then asks again on port 4011;
- UEFI HTTP boot takes the URL out of the offer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from haoscar_pxe.wire.dhcp_options import OptionCode, architecture, text
from haoscar_pxe.wire.dhcp_packet import NOBODY, MessageType, Op, Packet
from haoscar_pxe.wire.dhcp_responder import (
    Answered,
    Offer,
    Reply,
    Response,
    Unanswered,
    grant,
)

BOOT_SERVICE_PORT: Final = 4011
NO_DISCOVERY: Final = b"\x06\x01\x08\xff"
"""PXE_DISCOVERY_CONTROL 8: use the boot file that came with this; then the end (255)."""
BIOS: Final = 0
PXE: Final = "PXEClient"
HTTP: Final = "HTTPClient"
LEASE: Final = (
    *(OptionCode.SUBNET_MASK, OptionCode.BROADCAST_ADDRESS, OptionCode.LEASE_TIME),
    *(OptionCode.ROUTER, OptionCode.DOMAIN_NAME_SERVER, OptionCode.DOMAIN_NAME),
    OptionCode.HOST_NAME,
)
"""What belongs to an address, and so to the other server's answer."""


def respond_as_proxy(request: Packet, offer: Offer) -> Response:
    """The answer on port 67: a DISCOVER of firmware that has something to boot."""
    if reason := _why_not(request, offer):
        return Unanswered(reason)
    if request.message_type is not MessageType.DISCOVER:
        return Unanswered("another server gives the addresses here")
    return _booting(grant(request, offer, Answered.OFFER), request)


def respond_on_boot_port(request: Packet, offer: Offer) -> Response:
    """The answer on port 4011: a REQUEST of firmware that has its address by now."""
    if reason := _why_not(request, offer):
        return Unanswered(reason)
    if request.message_type not in (MessageType.REQUEST, MessageType.INFORM):
        return Unanswered("the boot service answers REQUEST and INFORM")
    return _booting(grant(request, offer, Answered.ACK), request)


def _why_not(request: Packet, offer: Offer) -> str:
    if request.op != Op.BOOTREQUEST:
        return "it is a reply of another server"
    if not _class_of(request):
        return "it is no firmware that boots from a network"
    return "" if offer.boot_filename else "there is nothing for it to boot"


def _class_of(request: Packet) -> str:
    said = text(request.options.get(OptionCode.VENDOR_CLASS, b""))
    return next((each for each in (PXE, HTTP) if said.startswith(each)), "")


def _booting(reply: Reply, request: Packet) -> Reply:
    """The reply without any address, with the marks by which firmware knows a proxy."""
    kept = {code: value for code, value in reply.packet.options.items() if code not in LEASE}
    kept[OptionCode.VENDOR_CLASS] = _class_of(request).encode()
    is_bios = architecture(request.options.get(OptionCode.CLIENT_ARCHITECTURE, b"")) in (None, BIOS)
    if is_bios or OptionCode.IPXE_ENCAPSULATED in request.options:
        kept[OptionCode.VENDOR_SPECIFIC] = NO_DISCOVERY
    # "No proxy will follow" would be said by the very proxy.
    kept.pop(OptionCode.IPXE_ENCAPSULATED, None)
    return replace(reply, packet=replace(reply.packet, yiaddr=NOBODY, options=kept))
