"""A disk layout that the user gives as a JSON file instead of the default.

Its form is `image.layout.DiskLayout` as msgspec writes it; docs/capture.md has an example.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from haoscar_pxe.errors import CaptureError
from haoscar_pxe.image.layout import Disk, DiskLayout, file_systems


def read_layout(path: Path) -> DiskLayout:
    """Read and check the file. Raises CaptureError with every problem."""
    try:
        layout = msgspec.json.decode(path.read_bytes(), type=DiskLayout)
    except OSError as error:
        raise CaptureError(f"layout file {path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CaptureError(
            f"layout file {path}: {error}", hint="docs/capture.md shows the form of the file"
        ) from error
    problems = list(layout_problems(layout))
    if problems:
        raise CaptureError(f"layout file {path}: {'; '.join(problems)}")
    return layout


def layout_problems(layout: DiskLayout) -> Iterator[str]:
    """What cannot be right about a layout, in words."""
    places = [fs.mount_point for fs in file_systems(layout)]
    if "/" not in places:
        yield 'no file system has the mount point "/"'
    for place in sorted({place for place in places if places.count(place) > 1}):
        yield f"{place} is mounted twice"
    for place in places:
        if not place.startswith("/"):
            yield f"the mount point {place!r} is not absolute"
    for disk in layout.disks:
        yield from _disk_problems(disk)


def _disk_problems(disk: Disk) -> Iterator[str]:
    numbers = [partition.number for partition in disk.partitions]
    if len(set(numbers)) != len(numbers):
        yield f"{disk.device} has two partitions of one number"
    for partition in disk.partitions:
        end = partition.start_bytes + partition.size_bytes
        where = f"partition {partition.number} of {disk.device}"
        if partition.start_bytes < 0 or partition.size_bytes <= 0 or end > disk.size_bytes:
            yield f"{where} ends at {end}, outside its disk of {disk.size_bytes} bytes"
        if partition.start_bytes % disk.sector_bytes or partition.size_bytes % disk.sector_bytes:
            yield f"{where} does not consist of whole sectors of {disk.sector_bytes} bytes"
