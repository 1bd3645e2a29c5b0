"""What still runs with files that a sync replaced: services to restart, or the machine itself.

A process that maps a file which has no name any more runs the old one (proc_pid_maps(5)).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from haoscar_pxe.image.manifest import Manifest

DELETED: Final = " (deleted)"
NO_FILES: Final = ("/memfd:", "/dev/", "/SYSV", "/run/", "/tmp/", "/var/tmp/", "[")
_UNIT = re.compile(r"/([^/\n]+\.service)(?:/|$)", re.MULTILINE)


def is_replaced(maps: str) -> bool:
    """Whether /proc/PID/maps names a file of the system that is gone.

    >>> is_replaced("7f00-7f01 r-xp 0 08:01 12 /usr/lib/libc.so.6 (deleted)")
    True
    >>> is_replaced("7f00-7f01 rw-s 0 00:05 3 /dev/zero (deleted)")
    False
    """
    for line in maps.splitlines():
        if line.endswith(DELETED):
            path = line.partition("/")
            name = path[1] + path[2]
            if name and not name.startswith(NO_FILES):
                return True
    return False


def unit_of(cgroup: str) -> str:
    """The service in /proc/PID/cgroup, "" if it is in none.

    >>> unit_of("0::/system.slice/ssh.service")
    'ssh.service'
    """
    found = _UNIT.findall(cgroup)
    return found[-1] if found else ""


def services_to_restart(proc: Path = Path("/proc")) -> list[str]:
    """Services (or programs that are in none) that run with replaced files, sorted."""
    found = set()
    for folder in proc.iterdir():
        if not folder.name.isdecimal() or folder.name == str(os.getpid()):
            continue
        try:
            if is_replaced((folder / "maps").read_text(errors="replace")):
                unit = unit_of((folder / "cgroup").read_text(errors="replace"))
                found.add(unit or (folder / "comm").read_text(errors="replace").strip())
        except OSError:  # it has ended meanwhile
            continue
    return sorted(found)


def reboot_reason(manifest: Manifest, changed: Iterable[bytes], running_release: str) -> str:
    """Why the machine should start again, "" if it need not."""
    wanted = manifest.layout.boot.kernel_release
    if wanted and wanted != running_release:
        return f"the primary runs the kernel {wanted}, this machine {running_release}"
    for path in changed:
        if path.startswith((b"boot/", b"usr/lib/modules/", b"lib/modules/")):
            return "kernel or initrd were replaced"
        if path in (b"usr/lib/systemd/systemd", b"lib/systemd/systemd"):
            return "systemd itself was replaced"
    return ""
