"""Disk layouts as a user would write them."""

from __future__ import annotations

import msgspec

from haoscar_pxe.image.layout import Boot, Disk, DiskLayout, FileSystem, Partition

GIB = 1 << 30


def root_and_boot() -> bytes:
    """The JSON of a GPT disk with /boot and /, the kernel left to the tree."""
    boot = FileSystem(kind="ext4", uuid="b00t", mount_point="/boot")
    root = FileSystem(kind="ext4", uuid="0000", mount_point="/")
    partitions = tuple(
        Partition(
            number=number, start_bytes=number * GIB, size_bytes=GIB, type_code="L", content=content
        )
        for number, content in ((1, boot), (2, root))
    )
    disk = Disk(
        device="/dev/sda", size_bytes=4 * GIB, table="gpt", table_id="t", partitions=partitions
    )
    kernel = Boot(firmware="bios", loader="grub", kernel_release="")
    return msgspec.json.encode(DiskLayout(disks=(disk,), boot=kernel))
