"""A head of a few MB whose only purpose is to be installed: this machine's GRUB, and odd files.

It has no kernel: its grub.cfg prints a line on the serial console and switches the machine off,
which is all that is needed to see that an installed disk boots.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from haoscar_pxe.command import run

GREETING = "haoscar: GRUB reads this from the installed disk"
SETUP = "/usr/lib/grub/i386-pc/grub-bios-setup"
GRUB_FILES = ("/usr/bin/grub-mkimage", "/usr/lib/grub/i386-pc", "/bin/busybox")
UDEVADM = """\
#!/bin/busybox sh
for name; do :; done
echo "/class/block/$(/bin/busybox basename "$name")"
"""
"""GRUB asks udevadm where in sysfs a partition is. Without it it asks the disk for its geometry,
which real disks answer and loop devices do not."""
GRUB_CONFIG = f"""\
serial --unit=0 --speed=115200
terminal_output serial
insmod part_msdos
insmod ext2
insmod gzio
echo "{GREETING} $haoscar_kernel"
halt
"""


def make(root: Path) -> None:
    """Fill the empty folder root with the head."""
    for folder in ("dev", "proc", "sys", "run", "tmp", "etc", "boot/grub", "srv"):
        (root / folder).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    for source in GRUB_FILES:
        _copy(Path(source), root)
    for program in ("/usr/bin/grub-mkimage", SETUP):
        for library in _libraries(program):
            _copy(library, root)
    udevadm = root / "usr/bin/udevadm"
    udevadm.write_text(UDEVADM)
    udevadm.chmod(0o755)
    (root / "boot/grub/grub.cfg").write_text(GRUB_CONFIG)
    (root / "etc/hostname").write_text("primary\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n10.77.0.10 primary\n")
    (root / "etc/machine-id").write_text("0" * 32 + "\n")
    _odd_files(root / "srv")


def install_grub(root: Path) -> None:
    """What grub-install leaves in a head on an MBR disk: a small core image, modules beside it."""
    platform = root / "boot/grub/i386-pc"
    shutil.copytree("/usr/lib/grub/i386-pc", platform)
    prefix = ["-O", "i386-pc", "-p", "(,msdos1)/boot/grub"]
    modules = ["biosdisk", "part_msdos", "ext2"]
    run(["grub-mkimage", *prefix, "-o", str(platform / "core.img"), *modules])


def _libraries(program: str) -> list[Path]:
    """The shared libraries and the loader, as ldd(1) prints them."""
    words = run(["ldd", program]).text.split()
    return [Path(word) for word in words if word.startswith("/")]


def _copy(source: Path, root: Path) -> None:
    target = root / str(source).lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)


def _odd_files(folder: Path) -> None:
    (folder / "empty").touch()
    with (folder / "sparse").open("wb") as file:
        file.seek(100 << 20)
        file.write(b"data" * 1000)
        file.truncate(300 << 20)
    (folder / "first").write_text("one file")
    os.link(folder / "first", folder / "second")
    os.mkfifo(folder / "fifo", 0o640)
    os.mknod(folder / "null", 0o666 | 0o020000, os.makedev(1, 3))
    os.symlink("loop", folder / "loop")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\n")).write_text("a name that is not UTF-8")
    os.setxattr(folder / "first", "user.note", b"kept")
    os.chown(folder / "second", 1234, 4321)
    os.utime(folder / "empty", ns=(-1_500_000_001, -1_500_000_001))
    os.utime(folder, ns=(1_000_000_000_123_456_789, 1_000_000_000_123_456_789))
