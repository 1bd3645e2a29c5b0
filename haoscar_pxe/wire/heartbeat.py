"""Heartbeats: what heads and witness of one cluster say to each other, as authenticated datagrams.

The layout is our own and is described in docs/failover.md. A datagram has one length, is
authenticated as a whole by keyed BLAKE2s (RFC 7693 section 2.9) and carries what its receiver needs
to tell that it is fresh; that is looked at in `heartbeat_session.py`. It is not secret: who can
listen sees which head is the active one.
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from hashlib import blake2s
from typing import Final

from haoscar_pxe.errors import WireError

MAGIC: Final = b"HXH1"
KEY_BYTES: Final = 32
TOKEN_BYTES: Final = 8
NO_TOKEN: Final = bytes(TOKEN_BYTES)
NOBODY: Final = 0xFF
_FIELDS: Final = struct.Struct("!4sBBBB8sQ8s8sQQQQQB7x")
TAG_BYTES: Final = 32
SIZE_BYTES: Final = _FIELDS.size + TAG_BYTES
_SENDERS: Final = 3


class Kind(IntEnum):
    """What a datagram is for. HELLO: only that the sender lives, and how it is."""

    HELLO = 0
    ASK = 1
    ANSWER = 2
    RELEASE = 3


class Flag(IntFlag):
    """What the sender says of itself. GRANTED belongs to an ANSWER alone.

    ACTIVE: its door is open. FIT: its public interfaces are up. WILLING: it would take over.
    STOPPED: none of its services that write shared data runs.
    """

    NONE = 0
    GRANTED = 1
    ACTIVE = 2
    FIT = 4
    WILLING = 8
    STOPPED = 16


ALL_FLAGS: Final = Flag.GRANTED | Flag.ACTIVE | Flag.FIT | Flag.WILLING | Flag.STOPPED


@dataclass(frozen=True, slots=True)
class Content:
    """What is said. Numbers are 0 where a kind has no use for them.

    epoch, stamp: of the question that is asked or answered; a release's highest epoch. promised:
    the highest epoch that the sender's acceptor knows of. tenures: the last epochs in which primary
    and standby are known to have been active. holder: whom the sender has granted the lease,
    None if nobody; 0 primary, 1 standby, 2 witness, as everywhere here.
    """

    kind: Kind
    flags: Flag = Flag.NONE
    epoch: int = 0
    stamp: int = 0
    promised: int = 0
    tenures: tuple[int, int] = (0, 0)
    holder: int | None = None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One datagram. nonce: the sender's process, anew at every start. sequence: rises with each.

    challenge: what the sender wants to see as echo. echo: the receiver's challenge.
    """

    sender: int
    receiver: int
    nonce: bytes
    sequence: int
    challenge: bytes
    echo: bytes
    content: Content


def encode(beat: Heartbeat, key: bytes) -> bytes:
    """The datagram, of SIZE_BYTES. key: KEY_BYTES that only the cluster knows."""
    said = beat.content
    fields = _FIELDS.pack(
        *(MAGIC, said.kind, beat.sender, beat.receiver, said.flags),
        *(beat.nonce, beat.sequence, beat.challenge, beat.echo),
        *(said.epoch, said.stamp, said.promised, *said.tenures),
        NOBODY if said.holder is None else said.holder,
    )
    return fields + _tag(fields, key)


def decode(datagram: bytes, key: bytes) -> Heartbeat:
    """What a datagram says. Raises WireError: not ours, not of this cluster, or not in its form."""
    if len(datagram) != SIZE_BYTES:
        raise WireError(f"a heartbeat has {SIZE_BYTES} bytes, this has {len(datagram)}")
    fields, tag = datagram[: _FIELDS.size], datagram[_FIELDS.size :]
    if not hmac.compare_digest(tag, _tag(fields, key)):
        raise WireError("a heartbeat with another key, or a forged one")
    magic, kind, sender, receiver, flags, *rest = _FIELDS.unpack(fields)
    nonce, sequence, challenge, echo, epoch, stamp, promised, primary, standby, holder = rest
    if magic != MAGIC:
        raise WireError(f"a heartbeat of another version: {magic!r}")
    if kind not in list(Kind) or flags & ~int(
        ALL_FLAGS
    ):  # of an IntFlag, ~ leaves known flags only
        raise WireError(f"no heartbeat is of kind {kind} with flags {flags:#x}")
    if sender >= _SENDERS or receiver >= _SENDERS or sender == receiver:
        raise WireError(f"a heartbeat from member {sender} to member {receiver}")
    if holder >= _SENDERS and holder != NOBODY:
        raise WireError(f"a heartbeat that says member {holder} holds the lease")
    if any(fields[-7:]):
        raise WireError("a heartbeat whose reserved bytes are not zero")
    said = Content(
        kind=Kind(kind),
        flags=Flag(flags),
        epoch=epoch,
        stamp=stamp,
        promised=promised,
        tenures=(primary, standby),
        holder=None if holder == NOBODY else holder,
    )
    return Heartbeat(sender, receiver, nonce, sequence, challenge, echo, said)


def _tag(fields: bytes, key: bytes) -> bytes:
    return blake2s(fields, key=key, person=b"hxbeat01").digest()
