"""What a snapshot of ours is called: who made it, so that one whose maker is gone can be removed.

    haoscar-pxe-shot-BOOT-PID-STARTED-NUMBER

BOOT: the first 8 hex digits of the kernel's random boot id. STARTED: the process's start in clock
ticks since the boot, field 22 of proc_pid_stat(5), since process numbers are used again. The same
name serves a logical volume, a subvolume at the top of its btrfs, and a ZFS snapshot.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PREFIX: Final = "haoscar-pxe-shot-"
"""lvm(8) keeps names that begin with "snapshot" for itself."""
LVM_TAG: Final = "haoscar-pxe"
_FORM: Final = re.compile(re.escape(PREFIX) + r"([0-9a-f]{8})-([0-9]{1,10})-([0-9]{1,20})-[0-9]+")
_STARTED_FIELD: Final = 22


@dataclass(frozen=True, slots=True)
class Maker:
    """The process that a snapshot belongs to."""

    boot: str
    pid: int
    started: int

    def name(self, number: int) -> str:
        """The name of its snapshot of that number.

        >>> Maker("0123abcd", 77, 1234).name(2)
        'haoscar-pxe-shot-0123abcd-77-1234-2'
        """
        return f"{PREFIX}{self.boot}-{self.pid}-{self.started}-{number}"


def maker_of(name: str) -> Maker | None:
    """Who made the snapshot; None for a name that is none of ours.

    >>> maker_of("haoscar-pxe-shot-0123abcd-77-1234-2")
    Maker(boot='0123abcd', pid=77, started=1234)
    >>> maker_of("haoscar-pxe-shot-mine")
    """
    found = _FORM.fullmatch(name)
    return Maker(found[1], int(found[2]), int(found[3])) if found else None


def this_process(proc: Path = Path("/proc")) -> Maker:
    """Ourselves. Raises OSError without /proc."""
    return Maker(_boot(proc), os.getpid(), _started(proc / "self"))


def is_alive(maker: Maker, proc: Path = Path("/proc")) -> bool:
    """Whether the process that made a snapshot still runs."""
    try:
        return maker.boot == _boot(proc) and maker.started == _started(proc / str(maker.pid))
    except OSError:
        return False


def _boot(proc: Path) -> str:
    return (proc / "sys/kernel/random/boot_id").read_text().strip().replace("-", "")[:8]


def _started(process: Path) -> int:
    """The program's name, field 2, may hold blanks and brackets: count from its last bracket."""
    after_name = (process / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return int(after_name[_STARTED_FIELD - 3])
