"""A guest whose storage can snapshot: Debian's kernel, LVM, btrfs and our Python in an initramfs.

Three blank disks; `storage_guest.py` makes what it needs of them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final

from haoscar_pxe.boot.bundle import build_bundle
from haoscar_pxe.boot.bundle_contents import SYSTEM_FOLDERS, Source, bundle_contents
from haoscar_pxe.boot.cpio import Member, file, symlink, with_parents
from haoscar_pxe.boot.initramfs import bundle_members, write_packed
from haoscar_pxe.boot.shared_libraries import libraries_of
from haoscar_pxe.command import run
from tests.lab import storage_guest
from tests.lab.debian_kernel import debian_kernel

PROGRAMS: Final = ("lvm", "dmsetup", "btrfs", "mkfs.btrfs", "mkfs.xfs", "mount", "umount")
LVM_NAMES: Final = ("lvs", "vgs", "lvcreate", "lvchange", "lvremove")
MODULES: Final = (
    *("virtio_pci", "virtio_blk", "ext4", "crc32c_generic", "xfs", "btrfs"),
    *("dm-mod", "dm-snapshot", "dm-thin-pool"),
)
WITHIN_S: Final = 240.0
DISK_BYTES: Final = (1 << 30, 300 << 20, 64 << 20)

INIT: Final = b"""\
#!/bin/busybox sh
export PATH=/bin HOME=/root
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
exec >/dev/console 2>&1
for module in /modules/*; do insmod $module; done
python3 -I -S /guest.py
poweroff -f
"""
LVM_CONFIG: Final = b"""\
global { event_activation = 0  thin_check_executable = "" }
activation { udev_sync = 0  udev_rules = 0  monitoring = 0 }
devices { use_devicesfile = 0  obtain_device_list_from_udev = 0 }
"""
"""The guest has neither udev nor dmeventd."""


def findings(work: Path, accelerator: str) -> dict[str, object]:
    """Run the guest to its end; what it found, by name."""
    release, _ = debian_kernel(work)
    kernel = work / "tree/boot" / f"vmlinuz-{release}"
    initramfs = work / "initramfs"
    write_packed(_members(work, release), "gzip", initramfs)
    console = work / "console"
    argv = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-no-reboot"]
    argv += ["-accel", accelerator, "-cpu", "max", "-smp", "2", "-m", "1024"]
    argv += ["-kernel", str(kernel), "-initrd", str(initramfs), "-serial", f"file:{console}"]
    argv += ["-append", "console=ttyS0 quiet panic=-1"]
    for number, size_bytes in enumerate(DISK_BYTES):
        disk = work / f"disk{number}"
        with disk.open("wb") as blank:
            blank.truncate(size_bytes)
        argv += ["-drive", f"file={disk},format=raw,if=virtio,cache=unsafe"]
    run(argv, timeout_s=WITHIN_S)
    said = console.read_text(errors="replace").replace("\r", "")
    lines = [line.removeprefix("FOUND ") for line in said.splitlines() if line.startswith("FOUND ")]
    found = {}
    for line in lines:
        name, value = _split(line)
        found[name] = value
    assert "mounts" in found, said
    return found


def _split(line: str) -> tuple[str, object]:
    """A name may hold blanks; the JSON begins where the rest of the line is some."""
    words = line.split(" ")
    for place in range(1, len(words)):
        try:
            return " ".join(words[:place]), json.loads(" ".join(words[place:]))
        except ValueError:
            continue
    raise AssertionError(line)


def _members(work: Path, release: str) -> list[Member]:
    bundle = build_bundle(work / "bundle", _sources())
    taken = [member for member in bundle_members(bundle) if member.path != b"init"]
    modules = [
        file(f"modules/{number:03}-{path.name}".encode(), path.read_bytes())
        for number, path in enumerate(_modules(work, release))
    ]
    return with_parents(
        [
            *taken,
            *modules,
            *(symlink(b"bin/" + name.encode(), b"lvm") for name in LVM_NAMES),
            file(b"init", INIT, 0o755),
            file(b"etc/lvm/lvm.conf", LVM_CONFIG),
            file(b"guest.py", Path(storage_guest.__file__).read_bytes()),
        ]
    )


def _sources() -> list[Source]:
    sources = {source.target: source for source in bundle_contents()}
    for name in PROGRAMS:
        path = shutil.which(name, path=SYSTEM_FOLDERS)
        assert path is not None, name
        sources[f"bin/{name}"] = Source(f"bin/{name}", Path(path).resolve())
        for library, where in libraries_of([Path(path).resolve()]).items():
            sources.setdefault(f"lib/{library}", Source(f"lib/{library}", where))
    return sorted(sources.values(), key=lambda source: source.target)


def _modules(work: Path, release: str) -> list[Path]:
    """Files of the modules and of all that they need, in the order in which they load."""
    modprobe = work / "modprobe"
    modprobe.symlink_to(work / "tree/bin/kmod")
    paths: dict[Path, None] = {}
    for name in MODULES:
        show = ["-d", str(work / "tree"), "-S", release, "--show-depends", name]
        for line in run([str(modprobe), *show]).text.splitlines():
            if line.startswith("insmod "):
                paths[Path(line.split()[1])] = None
    return list(paths)
