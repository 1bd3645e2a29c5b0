"""The disk layout of a tree whose disks nobody read: one MBR disk with one ext4 root.

Everything in it follows from the image's name, its fstab and its size, so that capturing the tree
again does not give its clones other UUIDs.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Final

from haoscar_pxe.capture.disks.fstab import FstabLine
from haoscar_pxe.capture.disks.layout import mount_options
from haoscar_pxe.errors import CaptureError
from haoscar_pxe.image.layout import GPT_ESP, Boot, Disk, DiskLayout, FileSystem, Partition

MIB: Final = 1 << 20
GIB: Final = 1 << 30
START_BYTES: Final = 1 * MIB
"""Room for GRUB's core image before the first partition, and aligned for every disk."""
ROOM_FACTOR: Final = 1.3
ROOM_BYTES: Final = 1 * GIB
MBR_LIMIT_BYTES: Final = (2**32 - 1) * 512
GPT_LINUX: Final = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
ESP_BYTES: Final = 512 * MIB
"""As Debian's installer makes it, and enough for FAT32."""
ESP_OPTIONS: Final = "umask=0077"
GPT_TAIL_BYTES: Final = MIB
BYTES_PER_INODE: Final = 16384  # inode_ratio in mke2fs.conf(5)
_SAFE: Final = (
    "has_journal ext_attr resize_inode dir_index filetype extent 64bit flex_bg sparse_super "
    "large_file huge_file dir_nlink extra_isize metadata_csum"
)
SAFE_EXT4_FEATURES: Final = tuple(_SAFE.split())
"""What GRUB 2.02 and Linux 4.0 can read: no metadata_csum_seed, no orphan_file."""

_NAMESPACE: Final = uuid.UUID("b1f0d3c2-6a53-5a39-9d7b-2f6b4c1f5a10")


def default_layout(
    image: str, boot: Boot, fstab: Sequence[FstabLine], used_bytes: int, entries: int
) -> DiskLayout:
    """The plain default. used_bytes: content in whole blocks. Raises CaptureError above 2 TiB.

    UUID and label of the root are those that fstab names, so that it can be mounted by them.
    """
    is_uefi = boot.firmware == "uefi"
    start_bytes = START_BYTES + (ESP_BYTES if is_uefi else 0)
    wanted = start_bytes + int(used_bytes * ROOM_FACTOR) + ROOM_BYTES
    size_bytes = -(-wanted // MIB) * MIB
    if size_bytes > MBR_LIMIT_BYTES and not is_uefi:
        raise CaptureError(
            f"{used_bytes} bytes of content do not fit on the default MBR disk of 2 TiB",
            hint="give a GPT layout with --layout FILE",
        )
    root = Partition(
        number=2 if is_uefi else 1,
        start_bytes=start_bytes,
        size_bytes=size_bytes - start_bytes,
        type_code=GPT_LINUX if is_uefi else "83",
        uuid=_guid(image, "root partition") if is_uefi else "",
        is_bootable=not is_uefi,
        content=_root(image, fstab, used_bytes, max(size_bytes // BYTES_PER_INODE, entries * 2)),
    )
    disk = Disk(
        device="/dev/sda",
        size_bytes=size_bytes + (GPT_TAIL_BYTES if is_uefi else 0),
        table="gpt" if is_uefi else "mbr",
        table_id=_guid(image, "disk") if is_uefi else disk_signature(image),
        partitions=(_esp(image, fstab), root) if is_uefi else (root,),
    )
    return DiskLayout(disks=(disk,), boot=boot, is_default=True)


def _guid(image: str, what: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{what} {image}")).upper()


def _esp(image: str, fstab: Sequence[FstabLine]) -> Partition:
    """The EFI system partition; its volume id is the one that fstab names, if it does."""
    tags = dict(line.tag for line in fstab if line.mount_point == "/boot/efi" and line.tag)
    made = _guid(image, "volume")
    has_line = any(line.mount_point == "/boot/efi" for line in fstab)
    return Partition(
        number=1,
        start_bytes=START_BYTES,
        size_bytes=ESP_BYTES,
        type_code=GPT_ESP,
        uuid=_guid(image, "efi partition"),
        name="EFI System Partition",
        content=FileSystem(
            kind="vfat",
            uuid=tags.get("UUID") or f"{made[:4]}-{made[4:8]}",
            label=tags.get("LABEL", ""),
            mount_point="/boot/efi",
            mount_options=mount_options(fstab, "/boot/efi") if has_line else ESP_OPTIONS,
        ),
    )


def disk_signature(image: str) -> str:
    """The MBR's disk signature: 32 bits that follow from the image's name.

    >>> disk_signature("primary") == disk_signature("primary") != disk_signature("other")
    True
    """
    return f"0x{uuid.uuid5(_NAMESPACE, 'disk ' + image).hex[:8]}"


def _root(image: str, fstab: Sequence[FstabLine], used_bytes: int, inode_count: int) -> FileSystem:
    tags = dict(line.tag for line in fstab if line.mount_point == "/" and line.tag)
    return FileSystem(
        kind="ext4",
        uuid=tags.get("UUID") or str(uuid.uuid5(_NAMESPACE, "root " + image)),
        label=tags.get("LABEL", ""),
        mount_point="/",
        mount_options=mount_options(fstab, "/"),
        features=SAFE_EXT4_FEATURES,
        block_size_bytes=4096,
        inode_size_bytes=256,
        inode_count=inode_count,
        used_bytes=used_bytes,
    )
