"""The running standby's file systems, seen without what is mounted over them.

    /run/haoscar-pxe-sync/      bind mounts of the standby's own file systems, in a mount
                                namespace of this process, so that they go when it ends

Pseudo file systems and network mounts are not in it, and what a mount hides in the root is seen:
the very tree that an installation lays down and that the finisher mounts.
Sources: mount_namespaces(7), unshare(2).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from haoscar_pxe.command import Run
from haoscar_pxe.errors import InstallError
from haoscar_pxe.install.sync.journal import Mounted

VIEW: Final = Path("/run/haoscar-pxe-sync")
CLONE_NEWNS: Final = 0x00020000  # linux/sched.h

_libc = ctypes.CDLL(None, use_errno=True)


def open_view(mounted: Sequence[Mounted], run: Run, view: Path = VIEW) -> Path:
    """Leave the mount namespace of the system and mount the view; its root. Needs root.

    Raises InstallError where a file system of the standby is not mounted, CommandError.
    """
    _check_mounted(mounted)
    if _libc.unshare(CLONE_NEWNS) != 0:
        number = ctypes.get_errno()
        raise InstallError(f"no mount namespace can be made: {os.strerror(number)}")
    run(["mount", "--make-rprivate", "/"])
    view.mkdir(mode=0o700, exist_ok=True)
    for each in mounted:
        run(["mount", "--bind", each.mount_point, str(view / each.mount_point.strip("/"))])
    return view


def _check_mounted(mounted: Sequence[Mounted]) -> None:
    missing = [each.mount_point for each in mounted if not os.path.ismount(each.mount_point)]
    if missing:
        raise InstallError(
            f"not mounted on this standby: {', '.join(missing)}", hint="mount them, as in fstab"
        )
