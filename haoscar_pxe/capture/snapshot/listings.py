r"""What lvs(8), vgs(8), btrfs-subvolume(8) and zfs-list(8) say, as values.

>>> [at, nested] = parse_subvolumes(
...     b"ID 256 gen 12 top level 5 path @\nID 258 gen 7 top level 256 path @/var x\n")
>>> nested
Subvolume(number=258, path=b'@/var x')
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from haoscar_pxe.errors import CaptureError

LVS_FIELDS: Final = (
    "vg_name,lv_name,lv_kernel_major,lv_kernel_minor,lv_attr,lv_size,pool_lv,data_percent,lv_tags"
)
VGS_FIELDS: Final = "vg_name,vg_free,vg_extent_size"
REPORT: Final = ("--reportformat", "json", "--units", "b", "--nosuffix")
THIN: Final = "V"
THIN_POOL: Final = "t"
_KIND, _STATE = 0, 4  # places in lv_attr, lvs(8)
_SUBVOLUME: Final = re.compile(rb"ID (\d+) gen \d+ top level \d+ path (.+)")


@dataclass(frozen=True, slots=True)
class Volume:
    """A logical volume. number: major and minor of its device, negative while it is inactive.

    attributes: lv_attr. pool: of a thin volume, "" for others. used_percent: of a pool what is
    taken, of a snapshot what is copied.
    """

    group: str
    name: str
    number: tuple[int, int]
    attributes: str
    size_bytes: int
    pool: str = ""
    used_percent: float = 0.0
    tags: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The letter of its kind: "V" thin, "-" plain, "o" one that has snapshots, …"""
        return self.attributes[_KIND]

    @property
    def is_overflowed(self) -> bool:
        """Whether it is a snapshot that became invalid because it had no room left."""
        return self.attributes[_STATE] in "IS" or (self.kind in "sS" and self.used_percent >= 100)


@dataclass(frozen=True, slots=True)
class VolumeGroup:
    """A volume group."""

    name: str
    free_bytes: int
    extent_bytes: int


@dataclass(frozen=True, slots=True)
class Subvolume:
    """A subvolume. path: from the top of its btrfs, without a leading slash."""

    number: int
    path: bytes


def parse_lvs(text: bytes) -> list[Volume]:
    """What `lvs REPORT -o LVS_FIELDS` printed. Raises CaptureError."""
    return [
        Volume(
            group=row["vg_name"],
            name=row["lv_name"],
            number=(int(row["lv_kernel_major"]), int(row["lv_kernel_minor"])),
            attributes=row["lv_attr"],
            size_bytes=int(row["lv_size"]),
            pool=row["pool_lv"],
            used_percent=float(row["data_percent"] or 0),
            tags=tuple(row["lv_tags"].split(",")) if row["lv_tags"] else (),
        )
        for row in _rows(text, "lv", LVS_FIELDS)
    ]


def parse_vgs(text: bytes) -> list[VolumeGroup]:
    """What `vgs REPORT -o VGS_FIELDS` printed. Raises CaptureError."""
    return [
        VolumeGroup(row["vg_name"], int(row["vg_free"]), int(row["vg_extent_size"]))
        for row in _rows(text, "vg", VGS_FIELDS)
    ]


def parse_subvolumes(text: bytes) -> list[Subvolume]:
    """What `btrfs subvolume list` printed of a mounted top. Raises CaptureError."""
    found = []
    for line in text.splitlines():
        match = _SUBVOLUME.fullmatch(line)
        if match is None:
            raise CaptureError(f"'btrfs subvolume list' printed a line that is none: {line!r}")
        found.append(Subvolume(int(match[1]), match[2]))
    return found


def parse_zfs_snapshots(text: bytes) -> list[str]:
    r"""What `zfs list -H -t snapshot -o name` printed.

    >>> parse_zfs_snapshots(b"rpool/ROOT@monday\nrpool/home@monday\n")
    ['rpool/ROOT@monday', 'rpool/home@monday']
    """
    return text.decode("utf-8", "surrogateescape").splitlines()


def _rows(text: bytes, kind: str, fields: str) -> list[dict[str, str]]:
    try:
        document: Any = msgspec.json.decode(text)
        rows = [row for report in document["report"] for row in report[kind]]
        return [{name: str(row[name]) for name in fields.split(",")} for row in rows]
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise CaptureError(f"'{kind}s' did not print the report that was asked for") from error
