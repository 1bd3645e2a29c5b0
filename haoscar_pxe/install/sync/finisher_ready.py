"""Before a commit: whatever boots the standby must boot the finisher as long as there is a journal.

The hook in GRUB's menu is part of the identity, so it stands there already, unless somebody made
the menu anew on this machine. Then it is put before that menu, at once and alone.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from haoscar_pxe.image.durable import storage_errors
from haoscar_pxe.install.sync.carry_out import Standby
from haoscar_pxe.nodes.order import IdentityChange
from haoscar_pxe.nodes.standby import GRUB_FOLDERS

BOOT_FILES: Final = ("vmlinuz", "initramfs")
MENUS: Final = tuple(folder + b"/grub.cfg" for folder in GRUB_FOLDERS)
HOOK: Final = re.compile(rb"### BEGIN haoscar-pxe:.*?### END haoscar-pxe ###\n", re.DOTALL)
HALF_WRITTEN: Final = ".haoscar-pxe.new"


def why_not_ready(standby: Standby, identity: Sequence[IdentityChange]) -> str:
    """Why a sync that was cut off could not be finished, "" if it could."""
    if hook_of(identity) is None:
        return "the image server declares no GRUB menu that finishes a sync that was cut off"
    missing = [name for name in BOOT_FILES if not _has_content(standby.boot_folder / name)]
    if missing:
        return f"what finishes a sync that was cut off is gone: {standby.boot_folder}/{missing[0]}"
    return ""


def hook_of(identity: Sequence[IdentityChange]) -> tuple[bytes, bytes] | None:
    """The path of GRUB's menu and the hook that shall stand before it; None if there is none.

    >>> change = IdentityChange(path=b"boot/grub/grub.cfg", content=b"menu", reason="")
    >>> hook_of([change]) is None
    True
    """
    for change in identity:
        if change.path in MENUS and (found := HOOK.match(change.content or b"")):
            return change.path, found[0]
    return None


def make_ready(standby: Standby, identity: Sequence[IdentityChange]) -> bool:
    """Put the hook before the menu if it is not there; whether it had to be. Raises StorageError.

    `why_not_ready` was asked before.
    """
    found = hook_of(identity)
    assert found is not None
    menu = standby.root / os.fsdecode(found[0])
    with storage_errors("put the hook into", menu):
        old = menu.read_bytes() if menu.is_file() else b""
        if old.startswith(found[1]):
            return False
        _replace(menu, found[1] + HOOK.sub(b"", old))
        standby.settle([menu.parent])
    return True


def _replace(menu: Path, content: bytes) -> None:
    """By rename, with the mode it had; a menu without the hook is not missed for an instant."""
    half = menu.with_name(HALF_WRITTEN)
    mode = stat.S_IMODE(menu.stat().st_mode) if menu.exists() else 0o600
    with half.open("wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
    half.rename(menu)


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
