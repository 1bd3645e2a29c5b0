"""Machines and images to plan with: small builders whose defaults make a plan that is accepted."""

from __future__ import annotations

from typing import Any

from haoscar_pxe.image.layout import (
    GPT_ESP,
    BiosBoot,
    Boot,
    Disk,
    DiskLayout,
    Extended,
    FileSystem,
    Partition,
    Swap,
)
from haoscar_pxe.install.machine import MachineDisk
from haoscar_pxe.install.sizing import ImageTotals
from haoscar_pxe.nodes.order import InstallOrder

MIB = 1 << 20
GIB = 1 << 30
ROOT_UUID = "11111111-2222-3333-4444-555555555555"
SWAP_UUID = "99999999-8888-7777-6666-555555555555"
TOTALS = ImageTotals(content_bytes=500 * MIB, entries=10_000)


class FastClock:
    """Time that passes only by sleeping, at once."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds


def order(**changes: Any) -> InstallOrder:
    """An order for node standby1; changes replace its fields."""
    fields: dict[str, Any] = {
        "node": "standby1",
        "image": "primary",
        "generation": 3,
        "manifest_id": "00" * 32,
        "token": "the token",
        "interfaces": (),
        "identity": (),
        "disk": "auto",
        "wipe": "blank",
    }
    return InstallOrder(**(fields | changes))


def disk(path: str = "/dev/sda", size_bytes: int = 20 * GIB, **changes: Any) -> MachineDisk:
    """A blank fixed disk."""
    return MachineDisk(path=path, size_bytes=size_bytes, **changes)


def root_fs(**changes: Any) -> FileSystem:
    """An ext4 for /."""
    fields: dict[str, Any] = {"kind": "ext4", "uuid": ROOT_UUID, "mount_point": "/"}
    return FileSystem(**(fields | changes))


def partition(
    number: int, start_bytes: int, size_bytes: int, content: Any, **changes: Any
) -> Partition:
    """A Linux partition."""
    fields: dict[str, Any] = {"type_code": "83", "content": content}
    return Partition(
        number=number, start_bytes=start_bytes, size_bytes=size_bytes, **(fields | changes)
    )


def layout(*partitions: Partition, table: str = "mbr", **boot: Any) -> DiskLayout:
    """A one-disk layout, by default an MBR with one ext4 of 10 GiB."""
    wanted = partitions or (partition(1, MIB, 10 * GIB, root_fs(), is_bootable=True),)
    fields: dict[str, Any] = {"firmware": "bios", "loader": "grub", "kernel_release": "6.1.0"}
    head = Disk(
        device="/dev/vda",
        size_bytes=max(each.start_bytes + each.size_bytes for each in wanted),
        table="gpt" if table == "gpt" else "mbr",
        table_id="0x12345678" if table == "mbr" else "12345678-1234-1234-1234-123456789ABC",
        partitions=wanted,
    )
    return DiskLayout(disks=(head,), boot=Boot(**(fields | boot)))


def debian_layout() -> DiskLayout:
    """What Debian's installer makes on an MBR: root, and swap in a logical partition behind it."""
    return layout(
        partition(1, MIB, 9 * GIB, root_fs(), is_bootable=True),
        partition(2, MIB + 9 * GIB + MIB - 1024, GIB + 1024, Extended(), type_code="5"),
        partition(5, MIB + 9 * GIB + MIB, GIB, Swap(uuid=SWAP_UUID), type_code="82"),
    )


def gpt_layout() -> DiskLayout:
    """A GPT for BIOS: room for GRUB, swap, root at the end."""
    return layout(
        partition(1, MIB, MIB, BiosBoot(), type_code="21686148-6449-6E6F-744E-656564454649"),
        partition(
            2,
            2 * MIB,
            512 * MIB,
            Swap(uuid=SWAP_UUID, label="swap"),
            type_code="0657FD6D-A4AB-43C4-84E5-0933C84B4F4F",
        ),
        partition(
            3,
            514 * MIB,
            4 * GIB,
            root_fs(),
            type_code="0FC63DAF-8483-4772-8E79-3D69D8477DE4",
            uuid="AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE",
            name="root",
        ),
        table="gpt",
    )


def uefi_layout() -> DiskLayout:
    """What Debian's installer makes for UEFI: an EFI system partition, and root."""
    esp = FileSystem(
        kind="vfat", uuid="A1B2-C3D4", mount_point="/boot/efi", mount_options="umask=0077"
    )
    return layout(
        partition(1, MIB, 512 * MIB, esp, type_code=GPT_ESP, uuid=ROOT_UUID),
        partition(2, 513 * MIB, 10 * GIB, root_fs()),
        table="gpt",
        firmware="uefi",
    )
