"""Batches for nf_tables over netlink: the few messages with which a set's elements are exchanged.

After linux/netlink.h, linux/netfilter/nfnetlink.h and linux/netfilter/nf_tables.h. All messages of
a batch are one transaction: they take effect together, or none does. It makes no tables, chains or
rules: `nft` does that better, and not in a hurry.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from haoscar_pxe.errors import WireError


class Family(IntEnum):
    """Families of tables (linux/netfilter.h)."""

    INET = 1
    ARP = 3
    NETDEV = 5


_NLMSGHDR: Final = struct.Struct("=IHHII")
_NFGENMSG: Final = struct.Struct("!BBH")
_NLATTR: Final = struct.Struct("=HH")
_ERROR: Final = struct.Struct("=i")
_NLM_F_REQUEST: Final = 0x001
_NLM_F_ACK: Final = 0x004
_NLM_F_CREATE: Final = 0x400
_NLMSG_ERROR: Final = 2
_BATCH_BEGIN: Final = 16
_BATCH_END: Final = 17
_NFNL_SUBSYS_NFTABLES: Final = 10
_NFT_MSG_NEWSETELEM: Final = 12
_NFT_MSG_DELSETELEM: Final = 14
_NLA_F_NESTED: Final = 0x8000
_NFTA_SET_ELEM_LIST_TABLE: Final = 1
_NFTA_SET_ELEM_LIST_SET: Final = 2
_NFTA_SET_ELEM_LIST_ELEMENTS: Final = 3
_NFTA_LIST_ELEM: Final = 1
_NFTA_SET_ELEM_KEY: Final = 1
_NFTA_SET_ELEM_TIMEOUT: Final = 4
_NFTA_DATA_VALUE: Final = 1


@dataclass(frozen=True, slots=True)
class SetName:
    """One set of one table."""

    family: Family
    table: str
    name: str


@dataclass(frozen=True, slots=True)
class Flush:
    """Remove all elements of a set; it may have none. Fails with ENOENT if the set is not there."""

    of: SetName


@dataclass(frozen=True, slots=True)
class Add:
    """Add elements. keys: as the kernel compares them, in network order. timeout_ms: 1 or more.

    The timeout of one that is there already is not changed by it: flush first.
    """

    to: SetName
    keys: tuple[bytes, ...]
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove an element. Fails with ENOENT if it is not there or timed out."""

    of: SetName
    key: bytes


def batch(changes: Sequence[Flush | Add | Delete]) -> bytes:
    """The datagram of one transaction. The kernel acknowledges its last change, or names faults."""
    messages = [_message(_BATCH_BEGIN, _NLM_F_REQUEST, 0, 0, _NFNL_SUBSYS_NFTABLES, b"")]
    for number, change in enumerate(changes, 1):
        flags = _NLM_F_REQUEST | (_NLM_F_ACK if number == len(changes) else 0)
        messages.append(_change(change, flags, number))
    end = len(changes) + 1
    messages.append(_message(_BATCH_END, _NLM_F_REQUEST, end, 0, _NFNL_SUBSYS_NFTABLES, b""))
    return b"".join(messages)


def results(datagram: bytes) -> Iterator[tuple[int, int]]:
    """The answers in a datagram of the kernel's: which change (from 1), and its errno or 0.

    Raises WireError: not netlink.
    """
    at = 0
    while at < len(datagram):
        try:
            length, kind, _flags, sequence, _port = _NLMSGHDR.unpack_from(datagram, at)
            if length < _NLMSGHDR.size:
                raise WireError(f"a netlink message of {length} bytes")
            if kind == _NLMSG_ERROR:
                yield sequence, -_ERROR.unpack_from(datagram, at + _NLMSGHDR.size)[0]
        except struct.error as error:
            raise WireError("a netlink message that is cut off") from error
        at += _aligned(length)


def _change(change: Flush | Add | Delete, flags: int, sequence: int) -> bytes:
    if isinstance(change, Add):
        timeout = _attribute(_NFTA_SET_ELEM_TIMEOUT, struct.pack("!Q", change.timeout_ms))
        elements = b"".join(_element(timeout, key) for key in change.keys)
        kind, flags, of = _NFT_MSG_NEWSETELEM, flags | _NLM_F_CREATE, change.to
    else:
        elements = _element(b"", change.key) if isinstance(change, Delete) else b""
        kind, of = _NFT_MSG_DELSETELEM, change.of
    body = _attribute(_NFTA_SET_ELEM_LIST_TABLE, of.table.encode() + b"\0")
    body += _attribute(_NFTA_SET_ELEM_LIST_SET, of.name.encode() + b"\0")
    if elements:
        body += _attribute(_NFTA_SET_ELEM_LIST_ELEMENTS | _NLA_F_NESTED, elements)
    return _message(_NFNL_SUBSYS_NFTABLES << 8 | kind, flags, sequence, of.family, 0, body)


def _element(timeout: bytes, key: bytes) -> bytes:
    value = _attribute(_NFTA_DATA_VALUE, key)
    named = timeout + _attribute(_NFTA_SET_ELEM_KEY | _NLA_F_NESTED, value)
    return _attribute(_NFTA_LIST_ELEM | _NLA_F_NESTED, named)


def _message(kind: int, flags: int, sequence: int, family: int, res_id: int, body: bytes) -> bytes:
    content = _NFGENMSG.pack(family, 0, res_id) + body
    return _NLMSGHDR.pack(_NLMSGHDR.size + len(content), kind, flags, sequence, 0) + content


def _attribute(kind: int, value: bytes) -> bytes:
    length = _NLATTR.size + len(value)
    return _NLATTR.pack(length, kind) + value + bytes(_aligned(length) - length)


def _aligned(length: int) -> int:
    """The next multiple of 4 (NLMSG_ALIGNTO, NLA_ALIGNTO)."""
    return (length + 3) & ~3
