"""Make the planned file systems as the head's were made, and mount them where they belong.

mke2fs(8), mkswap(8), mkfs.fat(8). UUID, label, features, block and inode size are the captured
ones: the clone's fstab, boot loader and kernel know these file systems and no others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, assert_never

from haoscar_pxe.command import Run
from haoscar_pxe.image.layout import BiosBoot, Extended, FileSystem, Swap, Unsupported
from haoscar_pxe.install.mounts import mounting
from haoscar_pxe.install.plan import InstallPlan, PlannedPartition
from haoscar_pxe.install.supported import EXT_STATES

FAT_OPTIONS: Final = ("uid", "gid", "umask", "fmask", "dmask")
SMALLEST_FAT32_BYTES: Final = 260 << 20
"""65,525 clusters of 4 KiB."""
PLAIN_FEATURES: Final = {
    "ext2": "ext_attr,resize_inode,dir_index,filetype,sparse_super,large_file",
    "ext3": "has_journal,ext_attr,resize_inode,dir_index,filetype,sparse_super,large_file",
    "ext4": "has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,"
    "sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum",
}
"""Where the captured ones are not known: what GRUB 2.02 and every kernel since 3.18 can read.
Newer mke2fs would add metadata_csum_seed and orphan_file, which they cannot."""


def make_command(partition: PlannedPartition) -> list[str] | None:
    """The argv that makes what goes into the partition; None where nothing is to be made."""
    match partition.source.content:
        case FileSystem(kind="vfat") as file_system:
            return _make_vfat(file_system, partition)
        case FileSystem() as file_system:
            return _make_ext(file_system, partition)
        case Swap(uuid=uuid, label=label):
            return ["mkswap", *_option("-U", uuid), *_option("-L", label), partition.device]
        case BiosBoot() | Extended() | Unsupported():
            return None
        case other:
            assert_never(other)


def _make_ext(file_system: FileSystem, partition: PlannedPartition) -> list[str]:
    kept = [name for name in file_system.features if name not in EXT_STATES]
    features = ",".join(kept) or PLAIN_FEATURES[file_system.kind]
    return [
        *("mke2fs", "-q", "-F", "-t", file_system.kind),
        *("-O", f"none,{features}"),
        *_option("-U", file_system.uuid),
        *_option("-L", file_system.label),
        *_option("-b", file_system.block_size_bytes),
        *_option("-I", file_system.inode_size_bytes),
        *_option("-N", partition.inodes),
        *("-E", "lazy_itable_init=1"),
        partition.device,
    ]


def _make_vfat(file_system: FileSystem, partition: PlannedPartition) -> list[str]:
    """FAT32 where it may be one: it is what firmware must read (UEFI 2.10 section 13.3)."""
    volume_id = file_system.uuid.replace("-", "").lower()
    is_large = partition.size_bytes >= SMALLEST_FAT32_BYTES
    return [
        *("mkfs.vfat", *(["-F", "32"] if is_large else [])),
        *_option("-i", volume_id),
        *_option("-n", file_system.label),
        partition.device,
    ]


def _option(flag: str, value: str | int) -> list[str]:
    return [flag, str(value)] if value else []


def make(plan: InstallPlan, run: Run) -> None:
    """Make every planned file system and swap space. Raises CommandError, MissingToolError."""
    for partition in plan.partitions:
        command = make_command(partition)
        if command:
            run(command)


@contextmanager
def mounted(plan: InstallPlan, target: Path, run: Run) -> Iterator[frozenset[bytes]]:
    """Mount all file systems at `target`, "/" first, and unmount them whatever happens.

    Gives the folders that exist in there already, relative to target: mount points and what is
    above them. All is on the disk when this ends.
    """
    existing: set[bytes] = set()
    with mounting(run) as mount:
        for partition in plan.mounts:
            place = target / _mount_point(partition).lstrip("/")
            place.mkdir(parents=True, exist_ok=True)
            existing.update(_folders(place, target))
            mount([*_mount_arguments(partition), partition.device], place)
        yield frozenset(existing)


def _folders(place: Path, target: Path) -> list[bytes]:
    """The mount point and its parents, as entry paths, without the root."""
    relative = place.relative_to(target)
    paths = [relative, *relative.parents] if relative.parts else []
    return [str(path).encode() for path in paths if path.parts]


def _mount_point(partition: PlannedPartition) -> str:
    return partition.file_system.mount_point if partition.file_system else ""


def fat_options(mount_options: str) -> list[str]:
    """Which of fstab's options say what owner and mode the files of a FAT show.

    >>> fat_options("defaults,umask=0077,x-systemd.automount")
    ['umask=0077']
    """
    given = mount_options.split(",")
    return [each for each in given if each.partition("=")[0] in FAT_OPTIONS]


def _mount_arguments(partition: PlannedPartition) -> list[str]:
    """A FAT has no owners and modes: "quiet" lets what cannot be kept there pass (mount(8))."""
    kind = partition.file_system.kind if partition.file_system else "auto"
    options = "rw,noatime"
    if kind == "vfat" and partition.file_system:
        options = ",".join([options, "quiet", *fat_options(partition.file_system.mount_options)])
    return ["-t", kind, "-o", options]
