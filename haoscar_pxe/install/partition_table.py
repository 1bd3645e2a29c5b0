"""Write a planned partition table and make the kernel see it.

The table is written by sfdisk(8) from a script that keeps what the head's table had: disk id, type
codes, partition UUIDs and names, the active flag. The kernel is told of each partition by ioctl
BLKPG (linux/blkpg.h), as partx(8) does, rather than by reading the table again: that works with a
kernel that was built without a parser for this kind of table, and never fails half way.
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from haoscar_pxe.command import Run
from haoscar_pxe.errors import InstallError
from haoscar_pxe.image.layout import Extended, Partition
from haoscar_pxe.install.claim import FIRST_BYTES, first_bytes
from haoscar_pxe.install.plan import InstallPlan, PlannedPartition

BLKPG: Final = 0x1269
BLKPG_ADD_PARTITION: Final = 1
BLKPG_DEL_PARTITION: Final = 2
BLKPG_ARGUMENT: Final = struct.Struct("@iiiP")
"""struct blkpg_ioctl_arg: op, flags, datalen, data."""
BLKPG_PARTITION: Final = struct.Struct("@qqi64s64s4x")
"""struct blkpg_partition: start and length in bytes, pno, two names that are not used."""
MAX_PARTITIONS: Final = 128
NODES_TIMEOUT_S: Final = 10.0
SFDISK_LABEL: Final = {"mbr": "dos", "gpt": "gpt"}


def script(plan: InstallPlan) -> str:
    """The sfdisk script of the planned table; starts and sizes in sectors of this disk."""
    head = [
        f"label: {SFDISK_LABEL[plan.source.table]}",
        f"label-id: {plan.source.table_id}",
        "unit: sectors",
    ]
    first = min((each.start_bytes for each in plan.partitions), default=FIRST_BYTES)
    if plan.source.table == "gpt" and first < FIRST_BYTES:
        head.append(f"first-lba: {first // plan.disk.sector_bytes}")
    numbered = sorted(plan.partitions, key=lambda each: each.source.number)
    return "\n".join([*head, "", *(_line(each, plan.disk.sector_bytes) for each in numbered), ""])


def _line(partition: PlannedPartition, sector_bytes: int) -> str:
    source = partition.source
    fields = [
        f"start={partition.start_bytes // sector_bytes}",
        f"size={partition.size_bytes // sector_bytes}",
        f"type={source.type_code}",
        *_names(source),
    ]
    if source.is_bootable:
        fields.append("bootable")
    return f"{partition.device} : {', '.join(fields)}"


def _names(source: Partition) -> list[str]:
    """The GPT's own UUID and name; sfdisk cannot be told a name with a quote in it."""
    uuid = [f"uuid={source.uuid}"] if source.uuid else []
    return [*uuid, f'name="{source.name}"'] if source.name and '"' not in source.name else uuid


def write(plan: InstallPlan, run: Run) -> None:
    """Erase the disk's old marks, claim it, write the table, and wait for the partitions' devices.

    Raises InstallError or CommandError.
    """
    forget_partitions(plan.disk.path)
    wipe(Path(plan.disk.path), plan.disk.size_bytes, plan.claim)
    quiet = ["--quiet", "--no-reread", "--no-tell-kernel", "--wipe", "never"]
    run(["sfdisk", *quiet, plan.disk.path], stdin=script(plan).encode())
    for partition in plan.partitions:
        if not isinstance(partition.source.content, Extended):
            _tell_kernel(plan.disk.path, partition)
    for partition in plan.partitions:
        if not isinstance(partition.source.content, Extended):
            _clear(partition)


def wipe(disk: Path, size_bytes: int, claim: str) -> None:
    """Zero the first and the last MiB, where tables, RAID and LVM keep their marks, and claim it.

    The claim comes last and in one piece with the start: a disk that was not blank and is not
    claimed yet is still found with something on it.
    """
    with _opened(disk) as fd:
        os.pwrite(fd, bytes(min(FIRST_BYTES, size_bytes)), max(0, size_bytes - FIRST_BYTES))
        os.fsync(fd)
        os.pwrite(fd, first_bytes(claim), 0)
        os.fsync(fd)


def _clear(partition: PlannedPartition) -> None:
    """Zero a partition's ends: an old file system there would still be found beside the new one."""
    device = Path(partition.device)
    _wait_for(device)
    ends = min(FIRST_BYTES, partition.size_bytes)
    with _opened(device) as fd:
        os.pwrite(fd, bytes(ends), 0)
        os.pwrite(fd, bytes(ends), partition.size_bytes - ends)
        os.fsync(fd)


def _tell_kernel(disk: str, partition: PlannedPartition) -> None:
    with _opened(Path(disk)) as fd:
        place = (partition.start_bytes, partition.size_bytes)
        try:
            _blkpg(fd, BLKPG_ADD_PARTITION, partition.source.number, place)
        except OSError as error:
            raise InstallError(
                f"the kernel refuses partition {partition.source.number} of {disk}: "
                f"{error.strerror}"
            ) from error


def forget_partitions(disk: str) -> None:
    """Make the kernel drop every partition it knows on the disk. Raises InstallError if in use."""
    with _opened(Path(disk)) as fd:
        for number in range(1, MAX_PARTITIONS + 1):
            try:
                _blkpg(fd, BLKPG_DEL_PARTITION, number)
            except OSError as error:
                if error.errno == errno.EBUSY:
                    raise InstallError(f"partition {number} of {disk} is in use") from error


def _blkpg(fd: int, operation: int, number: int, place: tuple[int, int] = (0, 0)) -> None:
    """The ioctl; ENXIO and ENOENT say that there is no such partition."""
    partition = array.array("B", BLKPG_PARTITION.pack(*place, number, b"", b""))
    address, length = partition.buffer_info()
    fcntl.ioctl(fd, BLKPG, BLKPG_ARGUMENT.pack(operation, 0, length, address))


def _wait_for(device: Path) -> None:
    deadline = time.monotonic() + NODES_TIMEOUT_S
    while not device.is_block_device():
        if time.monotonic() > deadline:
            raise InstallError(f"{device} did not appear within {NODES_TIMEOUT_S:g} s")
        time.sleep(0.02)


@contextmanager
def _opened(device: Path) -> Iterator[int]:
    """A descriptor for writing. Whatever the disk refuses is an InstallError that names it."""
    try:
        fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            os.close(fd)
    except OSError as error:
        raise InstallError(f"cannot write to {device}: {error.strerror}") from error
