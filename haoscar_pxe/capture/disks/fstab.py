r"""/etc/fstab: what the head mounts when it boots.

Source: fstab(5).

>>> [line] = parse_fstab(b"# root\nUUID=12-34 / ext4 errors=remount-ro 0 1\n")
>>> line.mount_point, line.tag, line.options
('/', ('UUID', '12-34'), ('errors=remount-ro',))
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from haoscar_pxe.capture.scope.mounts import unescape

_TAGS = frozenset({"UUID", "LABEL", "PARTUUID", "PARTLABEL"})


@dataclass(frozen=True, slots=True)
class FstabLine:
    """One mount or swap space. source: as written ("UUID=…", "/dev/sda1", "nas:/home")."""

    source: str
    mount_point: str
    kind: str
    options: tuple[str, ...]

    @property
    def tag(self) -> tuple[str, str] | None:
        """("UUID", value) and the like, also for /dev/disk/by-…; None for other sources."""
        name, equals, value = self.source.partition("=")
        if equals and name in _TAGS:
            return name, value.strip('"')
        if self.source.startswith("/dev/disk/by-"):
            name, _, value = self.source.removeprefix("/dev/disk/by-").partition("/")
            return (name.upper(), value) if name.upper() in _TAGS else None
        return None

    @property
    def is_awaited(self) -> bool:
        """Whether a boot stops or waits when it is not there."""
        return not {"noauto", "nofail"} & set(self.options)


def parse_fstab(text: bytes) -> list[FstabLine]:
    """Read the file's lines; those with fewer than three fields mean nothing, as to mount(8)."""
    lines = (line.split() for line in text.splitlines() if not line.lstrip().startswith(b"#"))
    return [_parse(fields) for fields in lines if len(fields) >= 3]


def _parse(fields: list[bytes]) -> FstabLine:
    source, mount_point, kind = (os.fsdecode(unescape(field)) for field in fields[:3])
    options = os.fsdecode(fields[3]) if len(fields) > 3 else "defaults"
    mount_point = mount_point if mount_point == "/" else mount_point.rstrip("/")
    return FstabLine(source, mount_point, kind, tuple(options.split(",")))
