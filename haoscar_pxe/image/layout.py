"""The disk layout of a captured head: what the installer must build before it can lay files down.

Values only. `capture/disks/` finds them out on a head, `install/plan.py` turns them into steps for
the disks of another machine. All of it is part of the signed manifest.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from msgspec import Struct

TableKind: TypeAlias = Literal["mbr", "gpt"]
GPT_ESP: Final = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
"""Partition type of an EFI system partition (UEFI 2.10 section 5.3.3)."""
Firmware: TypeAlias = Literal["bios", "uefi"]


class FileSystem(Struct, frozen=True, kw_only=True, tag="file_system"):
    """A file system with a mount point.

    kind: as in /proc/mounts ("ext4", "xfs", "vfat"). uuid, label: as blkid prints them, "" if none.
    mount_point: absolute, "/" for the root. mount_options: as in fstab.
    features: of ext2/3/4, as `dumpe2fs -h` names them, so that the clone's kernel and boot loader
    can read what a newer mke2fs would do otherwise; empty means "what is safe for all".
    inode_size_bytes, block_size_bytes: 0 where unknown. used_bytes: content at the capture.
    """

    kind: str
    uuid: str
    label: str = ""
    mount_point: str
    mount_options: str = "defaults"
    features: tuple[str, ...] = ()
    block_size_bytes: int = 0
    inode_size_bytes: int = 0
    inode_count: int = 0
    used_bytes: int = 0


class Swap(Struct, frozen=True, kw_only=True, tag="swap"):
    """Swap space; its UUID must live on or the clone waits for it at boot."""

    uuid: str
    label: str = ""


class BiosBoot(Struct, frozen=True, kw_only=True, tag="bios_boot"):
    """The partition that GRUB embeds itself in on a GPT disk under BIOS."""


class Extended(Struct, frozen=True, kw_only=True, tag="extended"):
    """The MBR's container of logical partitions (type 5, f or 85), as Debian's installer makes it.

    It holds no bytes of its own; the partitions inside it, numbered from 5, are listed beside it.
    """


class Unsupported(Struct, frozen=True, kw_only=True, tag="unsupported"):
    """Something captured by name that cannot be rebuilt yet: LVM, RAID, LUKS, or unknown bytes."""

    kind: str
    detail: str = ""


Content: TypeAlias = FileSystem | Swap | BiosBoot | Extended | Unsupported


class Partition(Struct, frozen=True, kw_only=True):
    """One partition.

    number: from 1, as in the device's name. start_bytes, size_bytes: on the head's disk.
    type_code: MBR "83", GPT a type GUID; both as `sfdisk --json` prints them.
    uuid, name: of the GPT entry ("" on MBR). is_bootable: the MBR's active flag.
    """

    number: int
    start_bytes: int
    size_bytes: int
    type_code: str
    uuid: str = ""
    name: str = ""
    is_bootable: bool = False
    content: Content


class Disk(Struct, frozen=True, kw_only=True):
    """One disk that the image needs. device: its name on the head, for people only.

    table_id: MBR disk signature ("0x1234abcd") or GPT disk GUID.
    """

    device: str
    size_bytes: int
    sector_bytes: int = 512
    table: TableKind
    table_id: str
    partitions: tuple[Partition, ...]


class Boot(Struct, frozen=True, kw_only=True):
    """How the head boots. loader: "grub", "systemd-boot", "none", …; kernel_release: `uname -r`."""

    firmware: Firmware
    loader: str
    kernel_release: str


class DiskLayout(Struct, frozen=True, kw_only=True):
    """Disks, and how the machine boots from them.

    is_default: nobody's disks were read (a captured tree); the layout is the plain default.
    """

    disks: tuple[Disk, ...]
    boot: Boot
    is_default: bool = False


def efi_system_partition(layout: DiskLayout) -> Partition | None:
    """The partition that UEFI loads from; None if the layout has none with a mount point."""
    for disk in layout.disks:
        for partition in disk.partitions:
            is_esp = disk.table == "gpt" and partition.type_code.upper() == GPT_ESP
            if is_esp and isinstance(partition.content, FileSystem):
                return partition
    return None


def file_systems(layout: DiskLayout) -> list[FileSystem]:
    """All file systems of the layout, "/" before what is mounted below it."""
    found = [
        partition.content
        for disk in layout.disks
        for partition in disk.partitions
        if isinstance(partition.content, FileSystem)
    ]
    return sorted(found, key=lambda fs: fs.mount_point)
