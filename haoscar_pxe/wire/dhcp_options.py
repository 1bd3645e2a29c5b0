"""DHCP options as bytes: the tagged fields behind the BOOTP header, split, joined and overloaded.

Sources: RFC 2132 (codes and formats), RFC 3396 (long options), RFC 4578 (PXE), RFC 3046 (relay
agents). What an option's bytes mean is its reader's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import IntEnum
from functools import lru_cache
from typing import Final

from haoscar_pxe.errors import WireError

MAGIC_COOKIE: Final = b"\x63\x82\x53\x63"  # RFC 2131 section 3
LONGEST_PIECE: Final = 255  # a length is one byte; RFC 3396 splits what is longer
MOST_PIECES: Final = 288
"""In one field: there are 254 codes, and long options come in pieces of 255. A datagram of nothing
but empty options would take longer than a millisecond."""
_PADS: Final = re.compile(rb"\0+")
_END: Final = b"\xff"
STRINGS_KEPT: Final = 256
"""Machines of one kind say the same of themselves; each text is read once."""


class OptionCode(IntEnum):
    """The codes that this server reads or writes; RFC 2132 unless said otherwise."""

    PAD = 0
    SUBNET_MASK = 1
    ROUTER = 3
    DOMAIN_NAME_SERVER = 6
    HOST_NAME = 12
    DOMAIN_NAME = 15
    BROADCAST_ADDRESS = 28
    VENDOR_SPECIFIC = 43
    REQUESTED_ADDRESS = 50
    LEASE_TIME = 51
    OVERLOAD = 52
    MESSAGE_TYPE = 53
    SERVER_IDENTIFIER = 54
    PARAMETER_REQUEST_LIST = 55
    MESSAGE = 56
    MAXIMUM_MESSAGE_SIZE = 57
    RENEWAL_TIME = 58
    REBINDING_TIME = 59
    VENDOR_CLASS = 60
    CLIENT_IDENTIFIER = 61
    TFTP_SERVER_NAME = 66
    BOOT_FILENAME = 67
    USER_CLASS = 77  # RFC 3004
    RELAY_AGENT_INFORMATION = 82  # RFC 3046
    CLIENT_ARCHITECTURE = 93  # RFC 4578
    CLIENT_NETWORK_INTERFACE = 94  # RFC 4578
    CLIENT_UUID = 97  # RFC 4578
    IPXE_ENCAPSULATED = 175  # https://ipxe.org/howto/dhcpd
    END = 255


class Overload(IntEnum):
    """Bits of option 52: which header fields hold options instead of their own value."""

    FILE = 1
    SNAME = 2


def decode_fields(options: bytes, sname: bytes, file: bytes) -> dict[int, bytes]:
    r"""Read the options field and, where option 52 says so, `file` and then `sname` (RFC 3396 5).

    An option that comes in pieces is joined in that order.

    >>> decode_fields(b"\x0c\x02ab\x34\x01\x01\xff", b"", b"\x0c\x01c\xff")
    {12: b'abc', 52: b'\x01'}
    """
    pieces = _split_field(options)
    overload = next((value for code, value in pieces if code == OptionCode.OVERLOAD), b"\0")
    if overload not in (b"\0", b"\1", b"\2", b"\3"):
        raise WireError(f"DHCP option 52 (overload) is {overload.hex() or 'empty'}, not 1, 2 or 3")
    if overload[0] & Overload.FILE:
        pieces += _split_field(file)
    if overload[0] & Overload.SNAME:
        pieces += _split_field(sname)
    return _join(pieces)


def _split_field(field: bytes) -> list[tuple[int, bytes]]:
    """The (code, value) pieces of one field. A missing END is forgiven: old ROMs leave it out."""
    pieces = []
    position = 0
    while position < len(field) and field[position] != OptionCode.END:
        code = field[position]
        if code == OptionCode.PAD:
            position = _end_of_pads(field, position)
            continue
        position += 1
        length = field[position] if position < len(field) else -1
        value = field[position + 1 : position + 1 + length]
        if len(value) != length:
            raise WireError(f"DHCP option {code} says {length} bytes and {len(value)} are left")
        pieces.append((code, value))
        if len(pieces) > MOST_PIECES:
            raise WireError(f"more than {MOST_PIECES} DHCP options in one field")
        position += 1 + length
    return pieces


def _end_of_pads(field: bytes, position: int) -> int:
    pads = _PADS.match(field, position)
    return pads.end() if pads else position


def _join(pieces: list[tuple[int, bytes]]) -> dict[int, bytes]:
    joined: dict[int, bytes] = {}
    for code, value in pieces:
        joined[code] = joined.get(code, b"") + value
    return joined


def encode_fields(options: Mapping[int, bytes]) -> bytes:
    """Write the options field: message type first, relay information last, then END.

    RFC 3046 section 2.2 wants option 82 to be the last; RFC 2131 puts 53 first only by custom,
    but old ROMs look for it there. Raises WireError for a code that no option can have.
    """
    return b"".join([encode_option(code, options[code]) for code in _in_order(options)]) + _END


def fields_bytes(options: Mapping[int, bytes]) -> int:
    """How long `encode_fields` makes them: two bytes before each piece, and END."""
    pieces = sum(max(1, -(-len(value) // LONGEST_PIECE)) for value in options.values())
    return sum(map(len, options.values())) + 2 * pieces + 1


def _in_order(codes: Iterable[int]) -> list[int]:
    ordered = sorted(codes)
    if OptionCode.MESSAGE_TYPE in ordered:
        ordered.remove(OptionCode.MESSAGE_TYPE)
        ordered.insert(0, OptionCode.MESSAGE_TYPE)
    if OptionCode.RELAY_AGENT_INFORMATION in ordered:
        ordered.remove(OptionCode.RELAY_AGENT_INFORMATION)
        ordered.append(OptionCode.RELAY_AGENT_INFORMATION)
    return ordered


def encode_option(code: int, value: bytes) -> bytes:
    r"""One option, in as many pieces as it needs (RFC 3396 section 6).

    >>> encode_option(12, b"node")
    b'\x0c\x04node'
    """
    if not OptionCode.PAD < code < OptionCode.END:
        raise WireError(f"a DHCP option cannot have the code {code}: 1 to 254")
    if len(value) <= LONGEST_PIECE:
        return bytes((code, len(value))) + value
    pieces = [value[i : i + LONGEST_PIECE] for i in range(0, len(value), LONGEST_PIECE)]
    return b"".join(bytes([code, len(piece)]) + piece for piece in pieces)


@lru_cache(maxsize=STRINGS_KEPT)
def text(value: bytes) -> str:
    r"""An option's string as ASCII for people and comparisons, without the NULs some clients add.

    No more than an option holds that comes in one piece; no string of any client is longer.

    >>> text(b"PXEClient\0"), text(b"\xff")
    ('PXEClient', '\\xff')
    """
    return value[:LONGEST_PIECE].rstrip(b"\0").decode("ascii", "backslashreplace")


@lru_cache(maxsize=STRINGS_KEPT)
def user_class(value: bytes) -> str:
    r"""Option 77: RFC 3004 has a length before each class; iPXE and others send the bare name.

    >>> user_class(b"\x04iPXE"), user_class(b"iPXE"), user_class(b"\x02ab\x01c")
    ('iPXE', 'iPXE', 'ab c')
    """
    value = value[:LONGEST_PIECE]
    classes, position = [], 0
    while position < len(value):
        length = value[position]
        classes.append(value[position + 1 : position + 1 + length])
        position += 1 + length
    is_well_formed = position == len(value) and all(classes)
    return " ".join(text(name) for name in classes) if is_well_formed else text(value)


def architecture(value: bytes) -> int | None:
    """Option 93: the first of the client's architectures (RFC 4578 section 2.1), None if short."""
    return int.from_bytes(value[:2], "big") if len(value) >= 2 else None


def client_uuid(value: bytes) -> str:
    """Option 97 (RFC 4578 section 2.3): type 0 and 16 bytes; "" for anything else."""
    return value[1:].hex() if len(value) == 17 and value[0] == 0 else ""
