"""Files by which a standby can be brought up to date: its command, a timer, a hook in GRUB's menu.

They are part of the declared identity, so that whoever looks finds each with its reason.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from haoscar_pxe.boot.image_files import ImageFiles
from haoscar_pxe.image.layout import DiskLayout, file_systems
from haoscar_pxe.nodes.order import IdentityChange
from haoscar_pxe.nodes.standby import FINISHER, STANDBY_FOLDER
from haoscar_pxe.rendering import render

PROGRAM: Final = b"usr/local/sbin/haoscar-pxe"
OTHER_PROGRAM: Final = b"usr/local/sbin/haoscar-pxe-standby"
"""For a head that is an image server itself and so has a command of that name."""
WRITTEN_BY_US: Final = b"# Written by haoscar-pxe"
"""A head that watches has the standby's command already, from another bundle."""
UNITS: Final = b"etc/systemd/system"
_HOOK: Final = re.compile(rb"### BEGIN haoscar-pxe:.*?### END haoscar-pxe ###\n", re.DOTALL)


def standby_files(
    files: ImageFiles, layout: DiskLayout, grub: tuple[bytes, bytes], templates: Path | None
) -> list[IdentityChange]:
    """The changes. grub: path and content of GRUB's menu as it would be without the hook."""
    own = render("standby/haoscar-pxe", {"folder": f"/{STANDBY_FOLDER.decode()}"}, templates)
    program = _program(files)
    changes = [
        IdentityChange(
            path=program,
            content=own.encode(),
            mode=0o755,
            reason="the command that brings the standby to the newest generation",
        ),
        IdentityChange(
            path=grub[0],
            content=hook(layout, templates) + _HOOK.sub(b"", grub[1]),
            mode=0o600,
            reason="GRUB's menu; a sync that was cut off is finished before anything else boots",
        ),
    ]
    if files.names(UNITS):
        values: dict[str, object] = {"program": f"/{program.decode()}"}
        changes += [
            IdentityChange(
                path=UNITS + b"/haoscar-pxe-sync." + kind.encode(),
                content=render(f"standby/sync.{kind}", values, templates).encode(),
                reason="brings the standby up to date every hour, if the site enables it",
            )
            for kind in ("service", "timer")
        ]
    return changes


def hook(layout: DiskLayout, templates: Path | None) -> bytes:
    """What stands before the menu: one look for a journal."""
    by_place = {each.mount_point: each for each in file_systems(layout)}
    boot = by_place.get("/boot", by_place["/"])
    values: dict[str, object] = {"folder": FINISHER, "boot_uuid": boot.uuid}
    return render("grub/finish.cfg", values, templates).encode()


def _program(files: ImageFiles) -> bytes:
    folders = (b"usr/local/sbin", b"usr/local/bin", b"usr/sbin", b"usr/bin")
    taken = [folder for folder in folders if b"haoscar-pxe" in files.names(folder)]
    ours = files.read(PROGRAM) or b""
    is_ours = taken == [b"usr/local/sbin"] and WRITTEN_BY_US in ours
    return OTHER_PROGRAM if taken and not is_ours else PROGRAM
