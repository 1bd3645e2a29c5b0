"""A head of one kernel, busybox and a shell script, that brings itself up to date when it runs.

It boots in seconds under emulation, and says on its serial console what it is.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from haoscar_pxe.boot.cpio import character_device, file, folder, with_parents
from haoscar_pxe.boot.initramfs import kernel_members, write_packed
from haoscar_pxe.boot.kernel import find_kernel
from haoscar_pxe.boot.modules import choose_modules
from haoscar_pxe.image.signing import TrustedKeys
from tests.lab import small_head
from tests.unit.boot.folder_files import FolderFiles

FILES = 4_000
"""Enough that putting them in their places takes a while, even on a fast machine."""
INITRD = """\
#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /new
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
modprobe -a virtio_pci virtio_blk ext4
until mount -t ext4 -o rw /dev/vda1 /new; do sleep 0.2; done
mount -o move /dev /new/dev
umount /proc /sys
exec switch_root /new /sbin/init
"""
INIT = """\
#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=0755 run /run
echo 4 >/proc/sys/kernel/printk
generation=$(cat /etc/generation)
echo "HEAD $(cat /etc/hostname) is generation $generation, by kernel $(cat /proc/cmdline)"
if [ "$generation" = 1 ]; then
    modprobe virtio_net
    until ifconfig eth0 10.77.0.20 netmask 255.255.255.0 up; do sleep 0.2; done
    # What is half applied must reach the disk, or a power cut finds all of it or nothing.
    while :; do sync; sleep 0.05; done &
    /usr/local/sbin/haoscar-pxe sync --yes
    echo "SYNC ended with $?, generation $(cat /etc/generation)"
fi
echo "HEAD rests"
while :; do sleep 60; done
"""
GRUB_CONFIG = """\
linux /boot/vmlinuz-{name} console=ttyS0 quiet says={name}
initrd /boot/initrd-{name}
boot
"""


def make(root: Path, kernel_tree: Path, release: str) -> None:
    """Fill the empty folder root with generation 1."""
    small_head.make(root)
    for name in ("lib", "usr", "sbin", "var/lib", "etc/network", "etc/systemd/system"):
        (root / name).mkdir(parents=True, exist_ok=True)
    source = kernel_tree / "lib/modules" / release
    shutil.copytree(source, root / "lib/modules" / release, symlinks=True, dirs_exist_ok=True)
    shutil.copy2(kernel_tree / f"boot/vmlinuz-{release}", root / f"boot/vmlinuz-{release}")
    shutil.copy2(kernel_tree / f"boot/config-{release}", root / f"boot/config-{release}")
    for applet in ("sh", "mount", "cat", "sleep", "sync", "ifconfig", "modprobe"):
        (root / "bin" / applet).symlink_to("busybox")
    (root / "sbin/init").write_text(INIT)
    (root / "sbin/init").chmod(0o755)
    (root / "etc/network/interfaces").write_text(
        "auto eth0\niface eth0 inet static\n    address 10.77.0.10/24\n"
    )
    _write_boot_files(root, release, "one")
    (root / "etc/generation").write_text("1\n")
    (root / "etc/shadow").write_text("root:$y$j9T$one:1::::::\n")
    (root / "etc/gshadow").write_text("root:$y$j9T$same::\n")
    (root / "data").mkdir()
    for number in range(FILES):
        (root / f"data/{number:05}").write_bytes(b"1" * (number % 3000))


def change(root: Path, release: str) -> None:
    """Make it generation 2: another kernel and initrd, other programs, files gone and new."""
    for name in ("vmlinuz-one", "initrd-one"):
        (root / "boot" / name).unlink()
    _write_boot_files(root, release, "two")
    (root / "etc/generation").write_text("2\n")
    (root / "etc/shadow").write_text("root:$y$j9T$two:2::::::\n")
    with (root / "bin/busybox").open("ab") as busybox:
        busybox.write(b"another build of it")
    for number in range(FILES):
        path = root / f"data/{number:05}"
        if number % 10 == 0:
            path.unlink()
        else:
            path.write_bytes(b"2" * (number % 3000))
    shutil.rmtree(root / "srv")
    (root / "srv").symlink_to("data")
    os.chmod(root / "etc/network", 0o700)


def _write_boot_files(root: Path, release: str, name: str) -> None:
    """A kernel, an initrd that mounts the root, and GRUB's menu with the two."""
    files = FolderFiles(root)
    kernel = find_kernel(files, release)
    (root / f"boot/vmlinuz-{name}").write_bytes(kernel.image + name.encode())
    members = [
        *kernel_members(release, choose_modules(files, kernel), TrustedKeys.of()),
        file(b"bin/busybox", Path("/bin/busybox").read_bytes(), 0o755),
        file(b"init", INITRD.encode(), 0o755),
        folder(b"dev"),
        character_device(b"dev/console", 5, 1),
    ]
    write_packed(with_parents(members), kernel.compression, root / f"boot/initrd-{name}")
    (root / "boot/grub/grub.cfg").write_text(GRUB_CONFIG.format(name=name))
