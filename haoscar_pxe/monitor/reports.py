"""What the keeper and the monitor say to each other, over a pair of sockets, as JSON.

The keeper gets `Settings` once and `Orders` again and again: without fresh ones it gives the lease
back, because nobody looks after it. It gives a `Report` whenever something changed, and every
REPORT_EVERY_NS.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar

import msgspec

from haoscar_pxe.errors import FailoverError
from haoscar_pxe.monitor.guard import Guard
from haoscar_pxe.monitor.lease import HEADS, Member, Tenures, Terms

REPORT_EVERY_NS: Final = 250_000_000
NO_TENURES: Final = Tenures()
ORDERS_LAST_NS: Final = 10_000_000_000

Network: TypeAlias = tuple[str, ...]
"""A heartbeat network: the address of each member in it, in text, in the order of Member."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a keeper has to know. guard: None for the witness, which has no door.

    promised: no epoch up to this one is granted; at least the highest granted before the start.
    tenures: what was known before.
    """

    member: Member
    terms: Terms
    networks: tuple[Network, ...]
    port: int
    key: bytes
    promised: int
    tenures: Tenures
    guard: Guard | None


@dataclass(frozen=True, slots=True)
class Orders:
    """What the monitor wants.

    unwilling: why this head shall not have the lease, "" if it may. is_fit: its interfaces work.
    is_stopped: none of its services that write shared data runs.
    limit: epochs up to this one may be granted; a restarted keeper will promise as much.
    guards: how often the guard was put back after the keeper had found it gone. settled, waits: one
    that waits for a person does not ask if it was replaced in an epoch after `settled`.
    """

    unwilling: str
    is_fit: bool
    is_stopped: bool
    limit: int
    guards: int = 0
    settled: int = 0
    waits: bool = False


@dataclass(frozen=True, slots=True)
class PeerReport:
    """What is known of a peer.

    heard_ms: since it was heard last, on each network; -1 never. tenure: the last epoch in which it
    was heard to be active. The rest is what it said last.
    """

    member: Member
    is_fresh: bool
    heard_ms: tuple[int, ...]
    holder: Member | None = None
    is_active: bool = False
    is_fit: bool = False
    is_willing: bool = False
    is_stopped: bool = False
    tenure: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """How the keeper stands.

    is_active: the door is open. tenure: the epoch for which it was opened last, 0 if never.
    holder: to whom its own acceptor has granted the lease. reason: why it is so. highest: the
    highest epoch that it knows of. tenures: as far as it knows. ended: why its last tenure ended.
    guards_gone: how often the door could not be worked any more. trouble: with the addresses, in
    words. undecodable: datagrams that were no heartbeat, or of another key.
    """

    is_active: bool
    tenure: int
    holder: Member | None
    reason: str
    highest: int
    tenures: Tenures = NO_TENURES
    ended: str = ""
    guards_gone: int = 0
    trouble: str = ""
    undecodable: int = 0
    is_realtime: bool = False
    peers: tuple[PeerReport, ...] = field(default_factory=tuple)

    def other_head(self, me: Member) -> PeerReport | None:
        """The head that is not this one; of the witness's peers the primary, None before any."""
        heads = (peer for peer in self.peers if peer.member in HEADS and peer.member is not me)
        return next(heads, None)


M = TypeVar("M", Settings, Orders, Report)


def pack(message: Settings | Orders | Report) -> bytes:
    """The message as one datagram."""
    return msgspec.json.encode(message)


def unpack(kind: type[M], datagram: bytes) -> M:
    """The message in a datagram. Raises FailoverError: the other end is of another version."""
    try:
        return msgspec.json.decode(datagram, type=kind)
    except msgspec.MsgspecError as error:
        raise FailoverError(f"keeper and monitor do not understand each other: {error}") from error
