"""The claim: a mark on a disk that says which order began to install on it.

A power cut in the middle of an installation leaves a disk that is not blank any more. The claim
is how the same order recognises its own half-finished work and may begin again, while any other
order still finds "a disk with something on it". It is written together with the first wipe,
before anything else, and it stays: the next arming has a new token, which does not match it.

    byte 1048064 (the last 512 bytes of the first MiB; boot loaders keep well below):
        "haoscar-pxe install <SHA-256 of the order's token, hexadecimal>\\n", then zeros

Disks whose first partition starts before 1 MiB have no room for it; see `has_room`.
"""

from __future__ import annotations

import hashlib
from typing import Final

from haoscar_pxe.image.layout import Disk

FIRST_BYTES: Final = 1 << 20
"""What is wiped at the start of a disk, and what must be empty on a blank one."""
CLAIM_BYTES: Final = 512
CLAIM_OFFSET_BYTES: Final = FIRST_BYTES - CLAIM_BYTES
_PREFIX: Final = b"haoscar-pxe install "


def claim_of(token: str) -> str:
    """What the claim says for the order with this token; the token itself is never on a disk."""
    return hashlib.sha256(token.encode()).hexdigest()


def has_room(disk: Disk) -> bool:
    """Whether the layout leaves the claim's bytes to nobody's partition."""
    return all(partition.start_bytes >= FIRST_BYTES for partition in disk.partitions)


def first_bytes(claim: str) -> bytes:
    """The first MiB of a disk that is claimed and otherwise wiped; "" claims nothing.

    >>> read_claim(first_bytes(claim_of("token"))) == claim_of("token")
    True
    """
    mark = _PREFIX + claim.encode() + b"\n" if claim else b""
    return bytes(CLAIM_OFFSET_BYTES) + mark.ljust(CLAIM_BYTES, b"\0")


def read_claim(first: bytes) -> str:
    """The claim in a disk's first MiB, "" if there is none."""
    mark = first[CLAIM_OFFSET_BYTES : CLAIM_OFFSET_BYTES + CLAIM_BYTES].rstrip(b"\0")
    if not mark.startswith(_PREFIX) or not mark.endswith(b"\n"):
        return ""
    return mark[len(_PREFIX) : -1].decode("ascii", "replace")
