"""What GRUB boots where a sync was cut off: finish it, then start the machine as usual.

The initramfs is the installer's; the word haoscar.finish on the kernel command line names the file
system with the journal by its UUID. No network is needed: everything was staged before the commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from haoscar_pxe.command import Run, run
from haoscar_pxe.errors import InstallError
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.install import early
from haoscar_pxe.install.mounts import mounting
from haoscar_pxe.install.report import Console
from haoscar_pxe.install.sync import journal as journals
from haoscar_pxe.install.sync.barrier import settle
from haoscar_pxe.install.sync.carry_out import Standby, finish
from haoscar_pxe.install.sync.journal import Journal
from haoscar_pxe.nodes.standby import FINISHER

WORD: Final = "haoscar.finish="
JOURNAL_PLACES: Final = tuple(
    f"{folder}{grub}" for folder in ("boot/", "") for grub in ("grub", "grub2")
)
"""Where GRUB's folder may be on the file system that holds /boot."""
TARGET: Final = Path("/target")


def boot_uuid(command_line: str) -> str:
    """The UUID of the file system with the journal; "" where nothing is to be finished.

    >>> boot_uuid("console=tty0 haoscar.finish=d0d0-1")
    'd0d0-1'
    """
    words = [word for word in command_line.split() if word.startswith(WORD)]
    return words[-1].removeprefix(WORD) if words else ""


def finish_after_power_cut(uuid: str, console: Console, run: Run = run) -> None:
    """Finish whatever was committed. Raises HaoscarError: then the machine must not boot on."""
    early.wait_for_disks()
    place, committed = _find_journal(uuid, run)
    if committed is None:
        console.say("Nothing is to be finished.")
        return
    what = f"{committed.image} generation {committed.generation}"
    console.say(f"finishing {what}: {len(committed.steps)} steps")
    with mounting(run) as mount:
        for each in committed.mounted:
            mount(_arguments(each.uuid, each.kind, run), TARGET / each.mount_point.strip("/"))
        boot = _boot_mount(committed, uuid)
        standby = Standby(TARGET, committed.mounted, TARGET / boot / place, settle)
        finish(committed, standby, Silence())
    console.say(f"this machine is {what} now")


def _find_journal(uuid: str, run: Run) -> tuple[str, Journal | None]:
    """Where the journal lies on its file system, and what it says."""
    TARGET.mkdir(exist_ok=True)
    with mounting(run) as mount:
        mount(["-o", "ro", _device(uuid, run)], TARGET)
        for grub in JOURNAL_PLACES:
            place = f"{grub}/{FINISHER}"
            if (found := journals.read(TARGET / place)) is not None:
                return place, found
    return "", None


def _boot_mount(committed: Journal, uuid: str) -> str:
    """Where the journal's file system is mounted, relative to the root."""
    for each in committed.mounted:
        if each.uuid == uuid:
            return each.mount_point.strip("/")
    raise InstallError(f"the journal lies on {uuid}, which is none of its own file systems")


def _arguments(uuid: str, kind: str, run: Run) -> Sequence[str]:
    return ["-t", kind, _device(uuid, run)]


def _device(uuid: str, run: Run) -> str:
    device = run(["blkid", "-U", uuid], hint="is the disk with it there?").text.strip()
    if not device:
        raise InstallError(f"no disk of this machine has the file system {uuid}")
    return device
