"""The tools of a machine that is not here: what they printed there (`data/README.md`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from haoscar_pxe.capture.disks.devices import BlockDevice
from haoscar_pxe.capture.scope.mounts import Mount
from haoscar_pxe.command import Finished
from haoscar_pxe.errors import CommandError

PRIMARY: Final = Path(__file__).parent / "data/primary"

DEVICES: Final = {
    (254, 1): BlockDevice("vda1", frozenset({"vda"})),
    (254, 17): BlockDevice("vdb1", frozenset({"vdb"})),
    (254, 18): BlockDevice("vdb2", frozenset({"vdb"})),
    (0, 39): BlockDevice("vdb5", frozenset({"vdb"})),
    (252, 0): BlockDevice("dm-0", frozenset({"vdb"})),
    (252, 2): BlockDevice("dm-2", frozenset({"vdb"})),
    (9, 0): BlockDevice("md0", frozenset({"vdc", "vdd"})),
    (7, 0): BlockDevice("loop0", frozenset({"loop0"}), "a file mounted through a loop device"),
}


def device_of(mount: Mount) -> BlockDevice | None:
    """What sysfs said of the mount there."""
    return DEVICES.get(mount.device)


class RecordedTools:
    """Runs lsblk, sfdisk, blkid and dumpe2fs as they ran there."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def __call__(self, argv: Sequence[str], *, stdin: bytes = b"", hint: str = "") -> Finished:
        self.ran.append(argv[0])
        device = argv[-1].removeprefix("/dev/")
        if argv[0] == "lsblk":
            return self._printed("lsblk.json")
        if argv[0] == "sfdisk":
            return self._printed(f"sfdisk-{device}.json")
        if argv[0] == "blkid" and device == "vdb7":
            raise CommandError("exit status 2: blkid", status=2)
        return self._printed(f"{argv[0]}-{device}.txt")

    def _printed(self, name: str) -> Finished:
        path = PRIMARY / name
        if not path.exists():
            raise CommandError(f"exit status 1: nobody recorded {name}", status=1)
        return Finished(path.read_bytes(), b"")
