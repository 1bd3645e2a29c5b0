"""What of a captured layout can be rebuilt now; all else is refused by its name. Pure.

An image is captured whatever its disks look like, so this is where the limits are told: before
anything is written, every one of them, not the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, assert_never

from haoscar_pxe.image.layout import (
    BiosBoot,
    Disk,
    DiskLayout,
    Extended,
    FileSystem,
    Firmware,
    Partition,
    Swap,
    Unsupported,
    efi_system_partition,
)
from haoscar_pxe.install.choice import Refusal
from haoscar_pxe.install.sizing import EXT

MBR_PRIMARY: Final = 4
"""Numbers above are logical partitions, inside an extended one."""
HOW_TO_HAVE_GRUB: Final[dict[Firmware, str]] = {
    "bios": "install grub-pc-bin and grub2-common on the head and capture it again",
    "uefi": "install grub-efi-amd64-signed and shim-signed on the head and capture it again",
}
EXT_FEATURES: Final = frozenset(
    {
        *("has_journal", "ext_attr", "resize_inode", "dir_index", "sparse_super2", "fast_commit"),
        *("stable_inodes", "orphan_file", "filetype", "extent", "meta_bg", "flex_bg", "ea_inode"),
        *("64bit", "inline_data", "metadata_csum_seed", "large_dir", "sparse_super", "large_file"),
        *("huge_file", "uninit_bg", "dir_nlink", "extra_isize", "quota", "metadata_csum"),
        *("project", "verity"),
    }
)
"""ext4 features that mke2fs makes without being told more than their name."""
EXT_STATES: Final = frozenset({"needs_recovery", "orphan_present"})
"""Not features but what a mounted file system's superblock happens to say; left out."""


def refusals(layout: DiskLayout, machine_firmware: Firmware) -> list[Refusal]:
    """Every reason in the layout itself for which it cannot be installed on such a machine."""
    found = [*_boot(layout, machine_firmware)]
    if len(layout.disks) != 1:
        names = ", ".join(disk.device for disk in layout.disks) or "none"
        found.append(Refusal(f"the image needs {len(layout.disks)} disks ({names}), not one"))
    for disk in layout.disks:
        found.extend(_disk(disk))
    return found


def _boot(layout: DiskLayout, machine_firmware: Firmware) -> Iterator[Refusal]:
    boot = layout.boot
    if boot.firmware == "uefi" and machine_firmware == "bios":
        yield Refusal(
            "the image boots by UEFI, and this machine was started by BIOS",
            "switch the machine's firmware to UEFI boot",
        )
    elif boot.firmware == "uefi":
        yield from _efi_system_partition(layout)
    elif machine_firmware == "uefi":
        yield Refusal(
            "the image boots by BIOS, and this machine was started by UEFI",
            "switch the machine's firmware to legacy (CSM) boot",
        )
    if boot.loader != "grub":
        yield Refusal(
            f"the image's boot loader is '{boot.loader}'; only GRUB can be installed yet",
            HOW_TO_HAVE_GRUB[boot.firmware],
        )


def _efi_system_partition(layout: DiskLayout) -> Iterator[Refusal]:
    partition = efi_system_partition(layout)
    if partition is None:
        yield Refusal(
            "the image boots by UEFI, and no mounted partition of type EFI System was captured",
            "mount it at /boot/efi on the head and capture it again",
        )
    elif not isinstance(partition.content, FileSystem) or partition.content.kind != "vfat":
        yield Refusal(f"the EFI system partition {partition.number} holds no FAT file system")


def _disk(disk: Disk) -> Iterator[Refusal]:
    if not any(_is_root(partition) for partition in disk.partitions):
        yield Refusal(f"the layout of {disk.device} has no file system for /")
    for partition in disk.partitions:
        what = f"partition {partition.number} of {disk.device}"
        if partition.start_bytes % disk.sector_bytes or partition.size_bytes <= 0:
            yield Refusal(
                f"{what} starts at byte {partition.start_bytes} with {partition.size_bytes} "
                f"bytes, which is no place on a disk with {disk.sector_bytes}-byte sectors"
            )
        if reason := _content(partition):
            yield Refusal(f"{what}: {reason}")
    yield from _overlaps(disk)


def _is_root(partition: Partition) -> bool:
    return isinstance(partition.content, FileSystem) and partition.content.mount_point == "/"


def _content(partition: Partition) -> str:
    """Why what is in the partition cannot be made, "" if it can."""
    match partition.content:
        case FileSystem() as file_system:
            return _file_system(file_system)
        case Unsupported(kind=kind, detail=detail):
            return f"{kind} cannot be installed yet" + (f" ({detail})" if detail else "")
        case Swap() | BiosBoot() | Extended():
            return ""
        case other:
            assert_never(other)


def _file_system(file_system: FileSystem) -> str:
    if file_system.kind not in (*EXT, "vfat"):
        return f"{file_system.kind} ({file_system.mount_point}) cannot be installed yet"
    unknown = sorted({*file_system.features} - EXT_FEATURES - EXT_STATES)
    if file_system.kind in EXT and unknown:
        return f"{file_system.kind} with {', '.join(unknown)} cannot be made yet"
    path = file_system.mount_point
    if not path.startswith("/") or ".." in path.split("/"):
        return f"'{path}' is no place to mount it"
    return ""


def _overlaps(disk: Disk) -> Iterator[Refusal]:
    holding = [each for each in disk.partitions if not isinstance(each.content, Extended)]
    ordered = sorted(holding, key=lambda partition: partition.start_bytes)
    for before, after in pairwise(ordered):
        if before.start_bytes + before.size_bytes > after.start_bytes:
            yield Refusal(f"partitions {before.number} and {after.number} of {disk.device} overlap")
    numbers = [partition.number for partition in disk.partitions]
    if len(set(numbers)) != len(numbers) or any(number < 1 for number in numbers):
        yield Refusal(f"the partition numbers of {disk.device} are {numbers}")
    yield from _outside(disk)


def _outside(disk: Disk) -> Iterator[Refusal]:
    """Logical partitions that are in no extended one."""
    extended = [each for each in disk.partitions if isinstance(each.content, Extended)]
    for partition in disk.partitions:
        is_logical = disk.table == "mbr" and partition.number > MBR_PRIMARY
        if is_logical and not any(_is_inside(partition, each) for each in extended):
            yield Refusal(
                f"partition {partition.number} of {disk.device} is a logical one, and no extended "
                f"partition is around it"
            )


def _is_inside(partition: Partition, extended: Partition) -> bool:
    start_bytes, end_bytes = extended.start_bytes, extended.start_bytes + extended.size_bytes
    return (
        start_bytes < partition.start_bytes
        and partition.start_bytes + partition.size_bytes <= end_bytes
    )
