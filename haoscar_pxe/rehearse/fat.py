"""A FAT on an installed disk, shown as a tree: its files copied to a tmpfs at its mount point.

Not every kernel that runs rehearsals can mount a FAT (this is not the standby's), so mtools reads
it. Owners and modes are what mount(8) would show with the options of the image's fstab. The times
of folders are not a FAT's to keep: nobody compares them (`comparison.py`).
"""

from __future__ import annotations

import os
from pathlib import Path

from haoscar_pxe.boot.efi_files import fat_mode
from haoscar_pxe.command import Run
from haoscar_pxe.image.layout import FileSystem


def copy_fat(disk: Path, offset: int, file_system: FileSystem, target: Path, run: Run) -> None:
    """Mount a tmpfs at target and fill it. offset: of the file system on the disk, in bytes.

    Raises CommandError, MissingToolError.
    """
    hint = "a comparison needs root"
    run(["mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", str(target)], hint=hint)
    # A FAT's times are local times, and the installer's clock is in UTC.
    copy = ["env", "TZ=UTC", "MTOOLS_SKIP_CHECK=1", "mcopy", "-s", "-n", "-m", "-Q"]
    run([*copy, "-i", f"{disk}@@{offset}", "::*", str(target)], hint="apt-get install mtools")
    options = file_system.mount_options
    for at, folders, files in os.walk(target):
        for name in files:
            os.chmod(os.path.join(at, name), fat_mode(options))
        for name in folders:
            os.chmod(os.path.join(at, name), fat_mode(options, "dmask"))
    target.chmod(fat_mode(options, "dmask"))
