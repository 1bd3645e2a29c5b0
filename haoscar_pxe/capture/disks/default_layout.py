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
from haoscar_pxe.image.layout import Boot, Disk, DiskLayout, FileSystem, Partition

MIB: Final = 1 << 20
GIB: Final = 1 << 30
START_BYTES: Final = 1 * MIB
"""Room for GRUB's core image before the first partition, and aligned for every disk."""
ROOM_FACTOR: Final = 1.3
ROOM_BYTES: Final = 1 * GIB
MBR_LIMIT_BYTES: Final = (2**32 - 1) * 512
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
    wanted = START_BYTES + int(used_bytes * ROOM_FACTOR) + ROOM_BYTES
    size_bytes = -(-wanted // MIB) * MIB
    if size_bytes > MBR_LIMIT_BYTES:
        raise CaptureError(
            f"{used_bytes} bytes of content do not fit on the default MBR disk of 2 TiB",
            hint="give a GPT layout with --layout FILE",
        )
    root = Partition(
        number=1,
        start_bytes=START_BYTES,
        size_bytes=size_bytes - START_BYTES,
        type_code="83",
        is_bootable=True,
        content=_root(image, fstab, used_bytes, max(size_bytes // BYTES_PER_INODE, entries * 2)),
    )
    disk = Disk(
        device="/dev/sda",
        size_bytes=size_bytes,
        table="mbr",
        table_id=disk_signature(image),
        partitions=(root,),
    )
    return DiskLayout(disks=(disk,), boot=boot, is_default=True)


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
