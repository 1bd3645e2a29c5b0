"""Does the tree's own initrd fit other hardware than the head's?

The installer brings every driver along, but what it installs boots by the image's initrd. One that
was made for the head's own disk controller finds no root on a standby with another one.

Sources: initramfs.conf(5) and initramfs-tools' mkinitramfs; dracut.conf(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MKINITRAMFS: Final = ("usr/sbin/mkinitramfs", "sbin/mkinitramfs")
DRACUT: Final = ("usr/bin/dracut", "bin/dracut", "usr/sbin/dracut", "sbin/dracut")
MODULES: Final = re.compile(r"^[ \t]*MODULES=[\"']?(\w+)", re.MULTILINE)
HOSTONLY: Final = re.compile(r"^[ \t]*hostonly=[\"']?(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Tailored:
    """An initrd for the head's hardware alone.

    file: in the tree, the configuration that says so. setting: what it says. remedy: what to do.
    """

    file: str
    setting: str
    remedy: str


def tailored(root: Path) -> Tailored | None:
    """What makes the tree's initrds fit this head only; None if they fit any."""
    if _has(root, DRACUT):
        file, value = _last(root, _dracut_files(root), HOSTONLY)
        remedy = "set hostonly=\"no\" there and run 'dracut --force --regenerate-all'"
        return Tailored(file, f"hostonly={value}", remedy) if value == "yes" else None
    if _has(root, MKINITRAMFS):
        file, value = _last(root, _initramfs_files(root), MODULES)
        remedy = "set MODULES=most there and run 'update-initramfs -u -k all'"
        return Tailored(file, f"MODULES={value}", remedy) if value == "dep" else None
    return None


def _has(root: Path, programs: Iterable[str]) -> bool:
    return any((root / program).is_file() for program in programs)


def _last(root: Path, files: Iterable[str], setting: re.Pattern[str]) -> tuple[str, str]:
    """(file, value) of the assignment that is read last; ("", "") without any."""
    found = ("", "")
    for file in files:
        path = root / file
        # A symlink may lead out of the tree.
        if path.is_file() and not path.is_symlink():
            values = setting.findall(path.read_text("utf-8", "replace"))
            found = (file, values[-1]) if values else found
    return found


def _initramfs_files(root: Path) -> list[str]:
    return ["etc/initramfs-tools/initramfs.conf", *_names(root, "etc/initramfs-tools/conf.d")]


def _dracut_files(root: Path) -> list[str]:
    """A file in /etc replaces the distribution's of the same name; all are read by their names."""
    places = ("usr/lib/dracut/dracut.conf.d", "etc/dracut.conf.d")
    by_name = {Path(file).name: file for folder in places for file in _names(root, folder)}
    configs = [by_name[name] for name in sorted(by_name) if name.endswith(".conf")]
    return ["etc/dracut.conf", *configs]


def _names(root: Path, folder: str) -> list[str]:
    path = root / folder
    return [f"{folder}/{each.name}" for each in sorted(path.iterdir())] if path.is_dir() else []
