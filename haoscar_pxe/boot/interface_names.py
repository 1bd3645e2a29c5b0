"""Interface names that hold although another card has them: what a `.link` file cannot do.

udev renames a card only to a name that is free ("File exists" otherwise, systemd 252), so two
cards cannot swap names, and a card cannot have the name of one that nobody declared. On a standby
whose cards sit or are cabled otherwise than the primary's, that is the normal case; ifupdown would
then give the cluster's address to another wire.

Three files: a script, a unit that runs it before network-pre.target (systemd.special(7)), and a
drop-in through which the boot wants the unit, since an identity has files and no links.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from haoscar_pxe.boot.image_files import ImageFiles
from haoscar_pxe.nodes.order import IdentityChange
from haoscar_pxe.rendering import render

SCRIPT: Final = b"etc/haoscar-pxe/interface-names"
UNIT: Final = "haoscar-pxe-names.service"
UNITS: Final = "etc/systemd/system"
SYSTEMD_FOLDERS: Final = (b"usr/lib/systemd", b"lib/systemd")


def interface_names(
    values: dict[str, object], files: ImageFiles, templates: Path | None
) -> list[IdentityChange]:
    """The files, none for an image without systemd. values: as the network templates see them."""
    if not any(b"systemd" in files.names(folder) for folder in SYSTEMD_FOLDERS):
        return []
    reason = "udev leaves a card its old name where another card holds the new one"
    wanted = f"# Written by haoscar-pxe.\n[Unit]\nWants={UNIT}\n"
    return [
        IdentityChange(
            path=SCRIPT,
            content=render("network/interface-names.sh", values, templates).encode(),
            mode=0o755,
            reason=reason,
        ),
        IdentityChange(
            path=f"{UNITS}/{UNIT}".encode(),
            content=render("network/interface-names.service", values, templates).encode(),
            reason=f"runs /{SCRIPT.decode()} before the network is configured",
        ),
        IdentityChange(
            path=f"{UNITS}/sysinit.target.d/haoscar-pxe.conf".encode(),
            content=wanted.encode(),
            reason=f"starts {UNIT} at boot",
        ),
    ]
