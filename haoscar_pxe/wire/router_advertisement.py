"""The router advertisement of a machine that is no router: "there is none, wait no longer".

Sources: RFC 4861 sections 4.1 (solicitation), 4.2 (advertisement), 6.1.1 (what is valid). iPXE
asks for a router before it goes on with IPv4 and waits 16 s if nobody answers; one advertisement
with lifetime 0 and no prefix ends that. Hosts that hear it learn nothing: a lifetime of 0 means
"not a default router", and zeros elsewhere mean "unspecified".
"""

from __future__ import annotations

import struct
from typing import Final

from haoscar_pxe.errors import WireError

ROUTER_SOLICITATION: Final = 133  # ICMPv6 type, RFC 4861 section 4.1
ROUTER_ADVERTISEMENT: Final = 134  # RFC 4861 section 4.2
HOP_LIMIT: Final = 255  # RFC 4861 section 6.1.1: anything less came through a router
ALL_NODES: Final = "ff02::1"
ALL_ROUTERS: Final = "ff02::2"
SOLICITATION_BYTES: Final = 8
_ADVERTISEMENT: Final = struct.Struct("!BBHBBHLL")


def no_router() -> bytes:
    r"""The advertisement, with a checksum of 0 that the kernel fills in (RFC 3542 section 3.1).

    Type, code, checksum, current hop limit, flags, router lifetime, reachable and retransmission
    time; no options.

    >>> no_router().hex()
    '86000000000000000000000000000000'
    """
    return _ADVERTISEMENT.pack(ROUTER_ADVERTISEMENT, 0, 0, 0, 0, 0, 0, 0)


def check_solicitation(message: bytes, hop_limit: int) -> None:
    """Raises WireError for what RFC 4861 section 6.1.1 has a router drop in silence.

    message: from the ICMPv6 type on; its checksum has been verified by the kernel.
    """
    if hop_limit != HOP_LIMIT:
        raise WireError(f"a router solicitation with hop limit {hop_limit} is not of this link")
    if len(message) < SOLICITATION_BYTES:
        raise WireError(f"a router solicitation has at least 8 bytes, this {len(message)}")
    if message[0] != ROUTER_SOLICITATION or message[1] != 0:
        raise WireError(f"ICMPv6 type {message[0]} code {message[1]} is no router solicitation")
    _check_options(message[SOLICITATION_BYTES:])


def _check_options(options: bytes) -> None:
    """Each option says its length in units of 8 bytes, never 0 (RFC 4861 section 4.6)."""
    position = 0
    while position < len(options):
        size = 8 * options[position + 1] if position + 1 < len(options) else 0
        if size == 0 or position + size > len(options):
            raise WireError("an option of a router solicitation has an impossible length")
        position += size
