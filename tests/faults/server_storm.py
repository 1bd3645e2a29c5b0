"""What hostile machines send to ports 67 and 69: noise, damaged packets, invented machines. Pure.

The packets that are damaged are captured ones and ones made of every message and request that the
server knows, among them those of known nodes. What is made here is made again by the same dice.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from random import Random
from typing import Final, TypeAlias

from haoscar_pxe.wire.dhcp_options import OptionCode
from haoscar_pxe.wire.dhcp_packet import MessageType, Op, Packet, encode
from haoscar_pxe.wire.tftp_packet import SERVER_PORT as TFTP
from tests.faults.mutation import mutated
from tests.unit.wire.captured import IPXE_DISCOVER, IPXE_REQUEST, OVMF_DISCOVER

Datagram: TypeAlias = tuple[int, bytes]
"""The server's port, and what is sent there."""

DHCP: Final = 67
SERVER: Final = IPv4Address("10.77.0.1")
COOKIE_AT: Final = 236
LONGEST_NOISE: Final = 1400
NOISE: Final = 0.15
KNOWN_NAMES: Final = (
    b"lpxelinux.0",
    b"ldlinux.c32",
    b"/grub/grub.cfg",
    b"pxelinux.cfg/default",
    b"pxelinux.cfg/01-52-54-00-aa-00-01",
    b"boot/primary/90000/vmlinuz",  # not there: making the first ones takes seconds and 25 MB
    b"boot/firmware/lpxelinux.0",
    b"../../../../etc/shadow",
)


def question(kind: MessageType, chaddr: bytes, xid: int, **options: bytes) -> Packet:
    """A client's packet. options: by their names in OptionCode."""
    named = {int(OptionCode[name]): value for name, value in options.items()}
    said = {int(OptionCode.MESSAGE_TYPE): bytes([kind]), **named}
    return Packet(op=Op.BOOTREQUEST, xid=xid, chaddr=chaddr, flags=0x8000, options=said)


def request(name: bytes, *options: bytes, opcode: int = 1, mode: bytes = b"octet") -> bytes:
    """A TFTP request. options: names and values in turn."""
    return b"".join([bytes([0, opcode]), *(part + b"\0" for part in (name, mode, *options))])


class Storm:
    """nodes: chaddr and address of known nodes, whose packets are damaged and forged as well."""

    def __init__(self, dice: Random, nodes: list[tuple[bytes, IPv4Address]]) -> None:
        self._dice = dice
        self._examples = [*_dhcp_examples(nodes[:8]), *_tftp_examples()]

    def damaged(self) -> Iterator[Datagram]:
        """Without end: noise, and examples with some changes."""
        dice = self._dice
        while True:
            port, example = dice.choice(self._examples)
            if dice.random() < NOISE:
                yield port, dice.randbytes(dice.randrange(LONGEST_NOISE))
            else:
                yield port, mutated(example, dice)

    def strangers(self, pool: list[IPv4Address]) -> Iterator[Datagram]:
        """Without end: machines that nobody has seen, each asking for an address and taking one."""
        dice = self._dice
        while True:
            chaddr = b"\x02" + dice.randbytes(5)
            yield DHCP, encode(question(MessageType.DISCOVER, chaddr, dice.getrandbits(32)))
            wanted = dice.choice(pool).packed
            taking = question(
                MessageType.REQUEST,
                chaddr,
                dice.getrandbits(32),
                REQUESTED_ADDRESS=wanted,
                VENDOR_CLASS=b"PXEClient:Arch:00007:UNDI:003000",
                CLIENT_UUID=b"\0" + dice.randbytes(16),
            )
            yield DHCP, encode(taking)


def _dhcp_examples(nodes: list[tuple[bytes, IPv4Address]]) -> Iterator[Datagram]:
    for captured in (IPXE_DISCOVER, IPXE_REQUEST, OVMF_DISCOVER):
        yield DHCP, captured
    for chaddr, address in nodes:
        for kind in MessageType:
            yield (
                DHCP,
                encode(
                    question(
                        kind,
                        chaddr,
                        7,
                        REQUESTED_ADDRESS=address.packed,
                        SERVER_IDENTIFIER=SERVER.packed,
                    )
                ),
            )
    stranger = b"\x02\0\0\0\0\1"
    http = question(
        MessageType.DISCOVER,
        stranger,
        8,
        VENDOR_CLASS=b"HTTPClient:Arch:00016:UNDI:003001",
        CLIENT_ARCHITECTURE=b"\0\x10",
        USER_CLASS=b"\4iPXE",
        CLIENT_IDENTIFIER=b"\1" * 300,
        RELAY_AGENT_INFORMATION=b"\1\4eth0",
        MAXIMUM_MESSAGE_SIZE=b"\xff\xff",
    )
    yield DHCP, encode(http)
    yield (
        DHCP,
        encode(Packet(op=Op.BOOTREQUEST, xid=9, chaddr=stranger))[:COOKIE_AT].ljust(300, b"\0"),
    )
    yield DHCP, _overloaded(stranger)


def _overloaded(chaddr: bytes) -> bytes:
    """Options in all three fields, cut off in the middle of one, and overloaded once more."""
    plain = bytearray(encode(question(MessageType.DISCOVER, chaddr, 10, OVERLOAD=b"\3")))
    plain[44:108] = b"\x34\1\3\x3d\x3e" + bytes(59)
    plain[108:236] = b"\x34\1\3" + b"\x0c\1a" * 41 + b"\x0c\0"
    return bytes(plain)


def _tftp_examples() -> Iterator[Datagram]:
    for name in KNOWN_NAMES:
        yield TFTP, request(name)
        yield TFTP, request(name, b"blksize", b"1428", b"windowsize", b"16", b"tsize", b"0")
    yield TFTP, request(b"lpxelinux.0", b"timeout", b"255", b"blksize", b"65464", mode=b"netascii")
    yield TFTP, request(b"lpxelinux.0", b"blksize", b"8", b"windowsize", b"65535")
    yield TFTP, request(b"written", opcode=2)
    for other in (b"\0\3\0\1" + bytes(512), b"\0\4\0\1", b"\0\5\0\1no\0", b"\0\6blksize\x001428\0"):
        yield TFTP, other
