"""TFTP packets: bytes to a value and back.

Sources: RFC 1350 (section 5 draws the packets), RFC 2347 (options and OACK). Options stay text
here; `tftp_options` gives them a meaning.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

from haoscar_pxe.errors import WireError

SERVER_PORT: Final = 69
HEADER_BYTES: Final = 4  # opcode and block number
BLOCK_NUMBERS: Final = 1 << 16
LONGEST_STRING: Final = 512  # bytes; RFC 2347 section 2 has a whole request in no more
_HEADER: Final = struct.Struct(">HH")
MOST_OPTIONS: Final = 32  # far more than there are; a datagram could hold thousands


class Opcode(IntEnum):
    """RFC 1350 section 5, RFC 2347 section 3."""

    RRQ = 1
    WRQ = 2
    DATA = 3
    ACK = 4
    ERROR = 5
    OACK = 6


class ErrorCode(IntEnum):
    """RFC 1350 appendix, RFC 2347 section 4."""

    NOT_DEFINED = 0
    FILE_NOT_FOUND = 1
    ACCESS_VIOLATION = 2
    DISK_FULL = 3
    ILLEGAL_OPERATION = 4
    UNKNOWN_TRANSFER_ID = 5
    FILE_EXISTS = 6
    NO_SUCH_USER = 7
    OPTION_NEGOTIATION = 8


_ACK: Final = Opcode.ACK.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class Request:
    """A read request (RRQ), or a write request (WRQ) if is_write.

    filename: as the client wrote it; bytes outside UTF-8 as backslash escapes, and without the
    0xFF at its end that old ROMs append. mode: lower case, "octet" or "netascii" or anything.
    options: (name in lower case, value), in the client's order, the first of each name.
    """

    filename: str
    mode: str
    options: tuple[tuple[str, str], ...] = ()
    is_write: bool = False


@dataclass(frozen=True, slots=True)
class Data:
    """One block of the file.

    block: 0..65535 as on the wire; the sender wraps past 65535, so it is not an offset.
    payload: 0..blksize bytes; shorter than blksize means this is the last block.
    """

    block: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Ack:
    """All blocks up to this one have arrived; 0 acknowledges an OACK."""

    block: int


@dataclass(frozen=True, slots=True)
class Error:
    """The transfer is over. code: usually an ErrorCode, but any number may come."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Oack:
    """The options that the server accepts, with its values."""

    options: tuple[tuple[str, str], ...]


TftpPacket: TypeAlias = Request | Data | Ack | Error | Oack


def decode(datagram: bytes) -> TftpPacket:
    """Raises WireError for anything that is not a TFTP packet."""
    if len(datagram) < HEADER_BYTES:
        raise WireError(f"a TFTP packet has at least 4 bytes, this {len(datagram)}")
    number = int.from_bytes(datagram[2:4], "big")
    match int.from_bytes(datagram[:2], "big"):
        case Opcode.RRQ:
            return _decode_request(datagram[2:], is_write=False)
        case Opcode.WRQ:
            return _decode_request(datagram[2:], is_write=True)
        case Opcode.DATA:
            return Data(number, datagram[4:])
        case Opcode.ACK:
            return Ack(number)
        case Opcode.ERROR:
            return Error(number, _text(datagram[4:].split(b"\0", 1)[0]))
        case Opcode.OACK:
            return Oack(_pairs(_strings(datagram[2:])))
        case opcode:
            raise WireError(f"TFTP has no opcode {opcode}")


def _decode_request(body: bytes, *, is_write: bool) -> Request:
    strings = _strings(body)
    if len(strings) < 2:
        raise WireError("a TFTP request names a file and a mode, each ended by a NUL")
    filename, mode = strings[:2]
    return Request(
        filename=_text(filename.rstrip(b"\xff")),
        mode=_text(mode).lower(),
        options=_pairs(strings[2:]),
        is_write=is_write,
    )


def _strings(body: bytes) -> list[bytes]:
    """The NUL-ended strings; what some ROMs pad behind the last NUL is dropped."""
    return body.split(b"\0")[:-1]


def _pairs(strings: list[bytes]) -> tuple[tuple[str, str], ...]:
    """Names and values. RFC 2347: a name may come once, so the first of a kind counts."""
    texts = [_text(string) for string in strings[: 2 * MOST_OPTIONS]]
    found: dict[str, str] = {}
    for name, value in zip(texts[::2], texts[1::2], strict=False):
        found.setdefault(name.lower(), value)
    return tuple(found.items())


def _text(value: bytes) -> str:
    """Cut where no honest one goes on: of bytes outside UTF-8 each costs a quarter of a µs."""
    return value[:LONGEST_STRING].decode("utf-8", "backslashreplace")


def encode(packet: TftpPacket) -> bytes:
    """The packet as bytes. Raises WireError if a string holds a NUL or a number is too large."""
    match packet:
        case Request(filename, mode, options, is_write):
            opcode = Opcode.WRQ if is_write else Opcode.RRQ
            return _uint16(opcode) + _encode_strings([filename, mode, *_flat(options)])
        case Data(block, payload):
            return _uint16(Opcode.DATA) + _uint16(block) + payload
        case Ack(block):
            return _uint16(Opcode.ACK) + _uint16(block)
        case Error(code, message):
            return _uint16(Opcode.ERROR) + _uint16(code) + _encode_strings([message])
        case Oack(options):
            return _uint16(Opcode.OACK) + _encode_strings(_flat(options))


def data_header(block: int) -> bytes:
    """What stands before a block's payload; block 0..65535."""
    return _HEADER.pack(Opcode.DATA, block)


def acknowledged_block(datagram: bytes) -> int | None:
    """The block number if it is an ACK and nothing more: most of what a server receives."""
    if len(datagram) == HEADER_BYTES and datagram.startswith(_ACK):
        return int.from_bytes(datagram[2:], "big")
    return None


def _uint16(number: int) -> bytes:
    if not 0 <= number < BLOCK_NUMBERS:
        raise WireError(f"{number} does not fit in 16 bits of a TFTP packet")
    return number.to_bytes(2, "big")


def _flat(options: tuple[tuple[str, str], ...]) -> list[str]:
    return [text for pair in options for text in pair]


def _encode_strings(strings: list[str]) -> bytes:
    if any("\0" in string for string in strings):
        raise WireError("a string in a TFTP packet cannot hold a NUL")
    return b"".join(string.encode("utf-8", "replace") + b"\0" for string in strings)


def to_netascii(content: bytes) -> bytes:
    r"""Text for a client that asked for mode "netascii" (RFC 1350 section 1, RFC 764).

    >>> to_netascii(b"one\ntwo\r")
    b'one\r\ntwo\r\x00'
    """
    return content.replace(b"\r", b"\r\0").replace(b"\n", b"\r\n")
