"""Install GRUB for BIOS with the image's own tools, without changing one file of the image.

What GRUB needs in the master boot record and in the gap behind it (or the BIOS boot partition) is
written by the image's grub-bios-setup in a chroot. Its input lies on a tmpfs over the target's
/run, so that the tree stays what was captured. The core image is
- the head's own (boot/grub/i386-pc/core.img), where the head booted from its own disks: it finds
  its folder by the file system's UUID or the partition's number, and both are kept;
- else made by grub-mkimage with every module that a Linux head's grub.cfg asks for built in.
Sources: GRUB manual 2.06, "BIOS installation"; Fedora and its kin say grub2 instead of grub.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from haoscar_pxe.command import Run
from haoscar_pxe.errors import InstallError
from haoscar_pxe.image.layout import BiosBoot, FileSystem
from haoscar_pxe.install.mounts import mounting
from haoscar_pxe.install.plan import InstallPlan

PLATFORM: Final = "i386-pc"
MODULES_FOLDER: Final = f"usr/lib/grub/{PLATFORM}"
WORK: Final = "run/haoscar-grub"
SECTOR_BYTES: Final = 512
MODULES: Final = (
    *("biosdisk", "part_msdos", "part_gpt", "ext2", "fat"),
    *("search", "search_fs_uuid", "search_fs_file", "search_label", "normal", "configfile"),
    *("linux", "linux16", "gzio", "xzio", "lzopio", "zstd", "minicmd", "boot", "chain"),
    *("echo", "test", "true", "ls", "cat", "halt", "reboot", "sleep", "help", "regexp", "probe"),
    *("loadenv", "serial", "terminal", "terminfo", "vbe", "vga", "all_video", "gfxterm", "font"),
    *("gettext", "blscfg", "increment"),
)
"""Built in where they exist (blscfg and increment are Fedora's): nothing is loaded from disk."""
SEARCH_PATH: Final = ("usr/sbin", "usr/bin", "sbin", "bin", MODULES_FOLDER)


@dataclass(frozen=True, slots=True)
class Grub:
    """What of GRUB the image brings along.

    name: "grub" or "grub2", in programs and under /boot. setup, mkimage: paths in the image.
    """

    name: str
    setup: str
    mkimage: str


def find_grub(target: Path) -> Grub:
    """The GRUB of the tree below target. Raises InstallError naming what it lacks."""
    lacking: list[str] = []
    for name in ("grub", "grub2"):
        setup = _program(target, f"{name}-bios-setup")
        mkimage = _program(target, f"{name}-mkimage")
        has_modules = (target / MODULES_FOLDER / "kernel.img").is_file()
        if setup and mkimage and has_modules:
            return Grub(name, setup, mkimage)
        parts = {f"{name}-bios-setup": setup, f"{name}-mkimage": mkimage, PLATFORM: has_modules}
        lacking.append(", ".join(part for part, is_there in parts.items() if not is_there))
    raise InstallError(
        f"the image cannot install GRUB: it lacks {' or '.join(lacking)}",
        hint="install grub-pc-bin and grub2-common on the head and capture it again",
    )


def grub_folder(target: Path) -> str:
    """What GRUB's folder below /boot is called: "grub", or "grub2" with Fedora's kin."""
    return "grub2" if (target / "boot/grub2").is_dir() else "grub"


def _program(target: Path, name: str) -> str:
    found = (folder for folder in SEARCH_PATH if (target / folder / name).is_file())
    folder = next(found, None)
    return f"/{folder}/{name}" if folder else ""


def install(plan: InstallPlan, target: Path, *, own_core: bool, run: Run) -> str:
    """Make the disk boot. Returns in words what was put there.

    own_core: whether the head's own core image may be used, that is, whether its layout was read
    from the disks that it boots from.
    Raises InstallError or CommandError.
    """
    grub = find_grub(target)
    with _system_folders(target, run):
        work = target / WORK
        work.mkdir()
        head_core = target / "boot" / grub.name / PLATFORM / "core.img"
        if own_core and _is_usable(head_core):
            what = "the head's own core image"
            shutil.copyfile(head_core, work / "core.img")
            shutil.copyfile(head_core.with_name("boot.img"), work / "boot.img")
        else:
            what = "a core image with all modules built in"
            _make_core(plan.boot_file_system, grub, target, run)
        size_bytes = (work / "core.img").stat().st_size
        _check_room(plan, size_bytes)
        _write(plan, grub, target, run)
    return f"{what}, {size_bytes / 1024:.0f} KiB, on {plan.disk.path}"


def has_heads_core(target: Path, *, own_core: bool) -> bool:
    """Whether `install` takes the head's own core image; it needs modules out of the tree."""
    core = target / "boot" / find_grub(target).name / PLATFORM / "core.img"
    return own_core and _is_usable(core)


def _is_usable(core: Path) -> bool:
    files = (core, core.with_name("boot.img"))
    return all(file.is_file() and not file.is_symlink() for file in files)


def early_config(boot: FileSystem, name: str) -> str:
    """What a made core image does first: find the file system with /boot, and GRUB's folder."""
    folder = f"/{name}" if boot.mount_point == "/boot" else f"/boot/{name}"
    return (
        f"search --no-floppy --fs-uuid --set=root {boot.uuid}\nset prefix=($root){folder}\nnormal\n"
    )


def _make_core(boot: FileSystem, grub: Grub, target: Path, run: Run) -> None:
    folder = target / MODULES_FOLDER
    work = target / WORK
    shutil.copyfile(folder / "boot.img", work / "boot.img")
    (work / "early.cfg").write_text(early_config(boot, grub.name))
    modules = [name for name in MODULES if (folder / f"{name}.mod").is_file()]
    run(
        [
            *("chroot", str(target), grub.mkimage, "-O", PLATFORM, "-d", f"/{MODULES_FOLDER}"),
            *("-c", f"/{WORK}/early.cfg", "-p", f"/boot/{grub.name}", "-o", f"/{WORK}/core.img"),
            *modules,
        ]
    )


def _check_room(plan: InstallPlan, core_bytes: int) -> None:
    """grub-bios-setup would say only that the area is "unusually small"."""
    room_bytes = embedding_bytes(plan)
    if core_bytes > room_bytes:
        raise InstallError(
            f"GRUB's core image has {core_bytes} bytes, and {plan.disk.path} has room for "
            f"{room_bytes} before its first partition",
            hint="a layout whose first partition starts at 1 MiB has enough",
        )


def embedding_bytes(plan: InstallPlan) -> int:
    """Room for the core image: the BIOS boot partition, or the gap behind the MBR's sector."""
    for partition in plan.partitions:
        if isinstance(partition.source.content, BiosBoot):
            return partition.size_bytes
    if plan.source.table == "gpt":
        return 0
    return min(each.start_bytes for each in plan.partitions) - SECTOR_BYTES


def _write(plan: InstallPlan, grub: Grub, target: Path, run: Run) -> None:
    """`-d /` is a folder on the disk itself: GRUB wants to know where its files are, and a tmpfs
    is on no disk that it could name. The two images are given relative to that folder."""
    images = ["-b", f"{WORK}/boot.img", "-c", f"{WORK}/core.img"]
    run(
        [
            *("chroot", str(target), grub.setup, "-d", "/", *images),
            *("-m", "/dev/null", plan.disk.path),
        ]
    )


@contextmanager
def _system_folders(target: Path, run: Run) -> Iterator[None]:
    """/dev, /proc, /sys and an empty /run in the target; gone again whatever happens."""
    wanted = {
        "dev": ["--bind", "/dev"],
        "proc": ["-t", "proc", "proc"],
        "sys": ["-t", "sysfs", "sysfs"],
        "run": ["-t", "tmpfs", "tmpfs"],
    }
    missing = [name for name in wanted if not (target / name).is_dir()]
    if missing:
        raise InstallError(f"the image has no folder {', '.join('/' + name for name in missing)}")
    with mounting(run) as mount:
        for name, arguments in wanted.items():
            mount(arguments, target / name)
        yield
