"""The DHCP and BOOTP packet: bytes to a value and back.

Sources: RFC 951 (BOOTP), RFC 2131 section 2 (the header), RFC 1542 section 2.1 (at least 300
bytes). It opens no socket and decides nothing; options are in `dhcp_options`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address
from typing import Final

from haoscar_pxe.errors import WireError
from haoscar_pxe.wire.dhcp_options import (
    MAGIC_COOKIE,
    OptionCode,
    Overload,
    decode_fields,
    encode_fields,
    fields_bytes,
)

SERVER_PORT: Final = 67
CLIENT_PORT: Final = 68
HEADER: Final = struct.Struct("!BBBBLHHLLLL16s64s128s")  # RFC 2131 section 2
SMALLEST_BYTES: Final = 300  # RFC 1542 section 2.1; relays drop what is shorter
CHADDR_BYTES: Final = 16
SNAME_BYTES: Final = 64
FILE_BYTES: Final = 128
BROADCAST_FLAG: Final = 0x8000
ETHERNET: Final = 1  # htype
NOBODY: Final = IPv4Address(0)
UINT16: Final = 1 << 16
UINT32: Final = 1 << 32


class Op(IntEnum):
    """Who speaks (RFC 951)."""

    BOOTREQUEST = 1
    BOOTREPLY = 2


class MessageType(IntEnum):
    """Option 53 (RFC 2132 section 9.6)."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


_MESSAGE_TYPES: Final = {bytes([each]): each for each in MessageType}


@dataclass(frozen=True, slots=True)
class Packet:
    """One DHCP or BOOTP packet.

    chaddr: the `hlen` bytes in use, at most 16. sname, file: up to their first NUL, and empty
    where the field holds options (option 52, which is then not among the options any more).
    options: joined values by code; empty for BOOTP without the magic cookie.
    secs, flags, xid, hops as on the wire.
    """

    op: int
    xid: int
    chaddr: bytes
    htype: int = ETHERNET
    hops: int = 0
    secs: int = 0
    flags: int = 0
    ciaddr: IPv4Address = NOBODY
    yiaddr: IPv4Address = NOBODY
    siaddr: IPv4Address = NOBODY
    giaddr: IPv4Address = NOBODY
    sname: bytes = b""
    file: bytes = b""
    options: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def message_type(self) -> MessageType | None:
        """Option 53; None for BOOTP and for a type that RFC 2131 does not know."""
        return _MESSAGE_TYPES.get(self.options.get(OptionCode.MESSAGE_TYPE, b""))

    @property
    def is_bootp(self) -> bool:
        """No option 53 at all: the client speaks RFC 951 only."""
        return OptionCode.MESSAGE_TYPE not in self.options

    @property
    def wants_broadcast(self) -> bool:
        """The client cannot hear unicast before it has its address (RFC 2131 section 4.1)."""
        return bool(self.flags & BROADCAST_FLAG)

    @property
    def mac(self) -> str:
        """`chaddr` in lower case with colons."""
        return self.chaddr.hex(":")

    def address_option(self, code: int) -> IPv4Address | None:
        """An option that holds one address; None if it is absent or has another length."""
        value = self.options.get(code, b"")
        return IPv4Address(value) if len(value) == 4 else None


def decode(datagram: bytes) -> Packet:
    """Raises WireError for anything that is not a DHCP or BOOTP packet."""
    if len(datagram) < HEADER.size:
        raise WireError(f"a DHCP packet has {HEADER.size} bytes of header, this {len(datagram)}")
    fields = HEADER.unpack_from(datagram)
    op, htype, hlen, hops, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr = fields[:11]
    chaddr, sname, file = fields[11:]
    if op not in (Op.BOOTREQUEST, Op.BOOTREPLY):
        raise WireError(f"a DHCP packet's op is 1 or 2, not {op}")
    if hlen > CHADDR_BYTES:
        raise WireError(f"hlen {hlen} is more than the {CHADDR_BYTES} bytes of chaddr")
    options = _decode_options(datagram[HEADER.size :], sname, file)
    overload = options.pop(OptionCode.OVERLOAD, b"\0")[0]
    return Packet(
        op=op,
        xid=xid,
        chaddr=chaddr[:hlen],
        htype=htype,
        hops=hops,
        secs=secs,
        flags=flags,
        ciaddr=IPv4Address(ciaddr) if ciaddr else NOBODY,
        yiaddr=IPv4Address(yiaddr) if yiaddr else NOBODY,
        siaddr=IPv4Address(siaddr) if siaddr else NOBODY,
        giaddr=IPv4Address(giaddr),
        sname=b"" if overload & Overload.SNAME else _string(sname),
        file=b"" if overload & Overload.FILE else _string(file),
        options=options,
    )


def _decode_options(area: bytes, sname: bytes, file: bytes) -> dict[int, bytes]:
    """RFC 951 lets a vendor put anything into its area: without the cookie there are no options."""
    if not area.startswith(MAGIC_COOKIE):
        return {}
    return decode_fields(area[len(MAGIC_COOKIE) :], sname, file)


def _string(field_bytes: bytes) -> bytes:
    return field_bytes.split(b"\0", 1)[0]


def encode(packet: Packet) -> bytes:
    """The packet as bytes, padded to 300. Raises WireError if a value does not fit its field."""
    _check_sizes(packet)
    header = HEADER.pack(
        packet.op,
        packet.htype,
        len(packet.chaddr),
        packet.hops,
        packet.xid,
        packet.secs,
        packet.flags,
        int(packet.ciaddr),
        int(packet.yiaddr),
        int(packet.siaddr),
        int(packet.giaddr),
        packet.chaddr,
        packet.sname,
        packet.file,
    )
    area = MAGIC_COOKIE + encode_fields(packet.options)
    return (header + area).ljust(SMALLEST_BYTES, b"\0")


def encoded_bytes(packet: Packet) -> int:
    """How long `encode` makes it."""
    size = HEADER.size + len(MAGIC_COOKIE) + fields_bytes(packet.options)
    return max(size, SMALLEST_BYTES)


def _check_sizes(packet: Packet) -> None:
    """The last byte of sname and file stays NUL: clients read them as C strings."""
    for name, size, most in (
        ("chaddr", len(packet.chaddr), CHADDR_BYTES),
        ("sname", len(packet.sname), SNAME_BYTES - 1),
        ("file", len(packet.file), FILE_BYTES - 1),
        ("secs", packet.secs, UINT16 - 1),
        ("flags", packet.flags, UINT16 - 1),
        ("xid", packet.xid, UINT32 - 1),
        ("htype", packet.htype, 255),
        ("hops", packet.hops, 255),
    ):
        if not 0 <= size <= most:
            raise WireError(f"DHCP field {name} would be {size}, at most {most} fits")
