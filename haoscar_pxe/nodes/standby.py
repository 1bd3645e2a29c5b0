"""What a standby keeps beside its generation, and what it is told to become next.

`boot` writes these values, `install` leaves and obeys them, whoever compares a standby with its
generation passes over the places named here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from haoscar_pxe.nodes.order import IdentityChange


@dataclass(frozen=True, slots=True)
class OwnPath:
    """A folder that is the standby's own, with all below it. path: relative to the root."""

    path: bytes
    reason: str


STANDBY_FOLDER: Final = b"var/lib/haoscar-pxe-standby"
"""Not below /var/lib/haoscar-pxe: that is the image server's state, which a head that is one has
in its image."""
MONITOR_FOLDER: Final = b"var/lib/haoscar-pxe-monitor"
"""What a failover monitor promised and remembers: of another machine it would be wrong."""
FINISHER: Final = "haoscar-pxe"
"""The folder, below GRUB's own, with what boots when a sync was cut off. It is there, and not in
/boot, because GRUB knows the place of its own folder ($prefix) whatever the disks are like."""
GRUB_FOLDERS: Final = (b"boot/grub", b"boot/grub2")

OWN_PATHS: Final = (
    OwnPath(STANDBY_FOLDER, "what this standby is, and the program that brings it up to date"),
    OwnPath(MONITOR_FOLDER, "what its failover monitor promised and remembers"),
    *(
        OwnPath(folder + b"/" + FINISHER.encode(), "boots only to finish a sync that was cut off")
        for folder in GRUB_FOLDERS
    ),
)


class SyncOrder(Struct, frozen=True, kw_only=True):
    """What a standby is to become now.

    manifest_id: as in an InstallOrder. identity: for this generation. keep: absolute paths that
    the site leaves to the standby. patience_s: how long to wait for a server that went away.
    opening_keys: as in an InstallOrder; the standby does not keep them.
    """

    node: str
    image: str
    generation: int
    manifest_id: str
    identity: tuple[IdentityChange, ...]
    keep: tuple[str, ...] = ()
    patience_s: int = 3600
    opening_keys: tuple[str, ...] = ()
