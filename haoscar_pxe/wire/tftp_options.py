"""TFTP options: what a client asks for and what it is granted.

Sources: RFC 2347 (a server leaves out what it does not accept), RFC 2348 (blksize), RFC 2349
(timeout, tsize), RFC 7440 (windowsize).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from haoscar_pxe.wire.tftp_packet import HEADER_BYTES, Oack, Request

DEFAULT_BLKSIZE: Final = 512  # RFC 1350
SMALLEST_BLKSIZE: Final = 8  # RFC 2348
LARGEST_BLKSIZE: Final = 65464  # RFC 2348
LARGEST_TIMEOUT_S: Final = 255  # RFC 2349
LARGEST_WINDOWSIZE: Final = 65535  # RFC 7440
IP_AND_UDP_BYTES: Final = 28
LONGEST_NUMBER: Final = 20  # digits; int() of a whole datagram of them would be slow


@dataclass(frozen=True, slots=True)
class Limits:
    """What this server grants at most.

    mtu_bytes: of the link to the client; a block never needs fragments. windowsize: blocks that
    may be unacknowledged.
    """

    mtu_bytes: int = 1500
    windowsize: int = 64

    @property
    def blksize(self) -> int:
        """RFC 2348: the MTU less IP, UDP and TFTP headers."""
        room = self.mtu_bytes - IP_AND_UDP_BYTES - HEADER_BYTES
        return max(SMALLEST_BLKSIZE, min(LARGEST_BLKSIZE, room))


@dataclass(frozen=True, slots=True)
class Terms:
    """What a transfer is sent with.

    timeout_s: the longest wait before a retransmission, None if the client left it to us.
    oack: to be sent first; None if no option was accepted, and then the first block comes at once.
    """

    blksize: int = DEFAULT_BLKSIZE
    windowsize: int = 1
    timeout_s: int | None = None
    oack: Oack | None = None


def negotiate(request: Request, size_bytes: int, limits: Limits) -> Terms:
    """Grant what can be granted; a value that no RFC allows is as if it had not been asked for.

    size_bytes: of what will be sent (after netascii translation), told to who asks by tsize.
    """
    wanted = dict(request.options)
    granted: dict[str, int] = {}
    if blksize := _number(wanted.get("blksize"), SMALLEST_BLKSIZE, LARGEST_BLKSIZE):
        granted["blksize"] = min(blksize, limits.blksize)
    if _number(wanted.get("tsize"), 0, None) is not None:
        granted["tsize"] = size_bytes
    if timeout_s := _number(wanted.get("timeout"), 1, LARGEST_TIMEOUT_S):
        granted["timeout"] = timeout_s
    if windowsize := _number(wanted.get("windowsize"), 1, LARGEST_WINDOWSIZE):
        granted["windowsize"] = min(windowsize, limits.windowsize)
    return Terms(
        blksize=granted.get("blksize", DEFAULT_BLKSIZE),
        windowsize=granted.get("windowsize", 1),
        timeout_s=granted.get("timeout"),
        oack=_oack(request, granted),
    )


def _number(value: str | None, least: int, most: int | None) -> int | None:
    """The value as a decimal number within its bounds, else None."""
    if value is None or not (value.isascii() and value.isdigit() and len(value) <= LONGEST_NUMBER):
        return None
    number = int(value)
    return number if number >= least and (most is None or number <= most) else None


def _oack(request: Request, granted: dict[str, int]) -> Oack | None:
    """In the order in which the client asked: some ROMs compare the two."""
    accepted = [(name, str(granted[name])) for name, _ in request.options if name in granted]
    return Oack(tuple(accepted)) if accepted else None
