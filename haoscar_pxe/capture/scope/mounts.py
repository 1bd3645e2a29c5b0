r"""The mount table: which file system is seen where.

Source: proc_pid_mountinfo(5). Paths are bytes, absolute, as a process of this machine sees them.
It does not say what belongs to the head; `belonging.py` does.

>>> line = b"36 35 98:0 /mnt1 /mnt/a\\040b rw,noatime master:1 - ext3 /dev/root rw,errors=continue"
>>> [mount] = parse_mountinfo(line)
>>> mount.mount_point, mount.kind, mount.source
(b'/mnt/a b', 'ext3', b'/dev/root')
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from haoscar_pxe.errors import CaptureError

_OCTAL = re.compile(rb"\\([0-7]{3})")
_FIELDS_BEFORE_OPTIONAL = 6


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo.

    device: (major, minor) of the files' st_dev; major 0 for what lies on no block device of its
    own (also btrfs). fs_root: the folder of the file system that is seen at mount_point.
    """

    mount_id: int
    parent_id: int
    device: tuple[int, int]
    fs_root: bytes
    mount_point: bytes
    kind: str
    source: bytes


def parse_mountinfo(text: bytes) -> list[Mount]:
    """Read /proc/self/mountinfo. Raises CaptureError for a line that is none."""
    return [_parse_line(line) for line in text.splitlines() if line]


def unescape(field: bytes) -> bytes:
    r"""Undo the kernel's octal escapes (blank, tab, newline, backslash), which fstab shares.

    >>> unescape(rb"/mnt/a\040b\134c")
    b'/mnt/a b\\c'
    """
    return _OCTAL.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), field)


def is_below(path: bytes, folder: bytes) -> bool:
    """Whether path lies inside folder (both absolute); a folder is not below itself.

    >>> is_below(b"/srv/data", b"/srv"), is_below(b"/srv2", b"/srv"), is_below(b"/srv", b"/")
    (True, False, True)
    """
    return path != folder and path.startswith(folder.rstrip(b"/") + b"/")


def visible(mounts: Sequence[Mount]) -> list[Mount]:
    """The mounts a walk from "/" can meet, in their order: not those that a later mount hides."""
    known = {mount.mount_id for mount in mounts}
    children: dict[int, list[Mount]] = defaultdict(list)
    tops = []
    for mount in mounts:
        if mount.parent_id in known and mount.parent_id != mount.mount_id:
            children[mount.parent_id].append(mount)
        else:
            tops.append(mount)
    seen = {mount.mount_id for top in tops for mount in _seen_from(top, children)}
    return [mount for mount in mounts if mount.mount_id in seen]


def holding(mounts: Sequence[Mount], path: bytes) -> Mount | None:
    """The visible mount that path lies on; None in a chroot whose own mount is out of sight."""
    around = [m for m in mounts if m.mount_point == path or is_below(path, m.mount_point)]
    return max(around, key=lambda mount: len(mount.mount_point.rstrip(b"/")), default=None)


def _parse_line(line: bytes) -> Mount:
    try:
        before, after = line.split(b" - ", 1)
        fields = before.split(b" ")[:_FIELDS_BEFORE_OPTIONAL]
        mount_id, parent_id, device, fs_root, mount_point, _options = fields
        kind, source = after.split(b" ")[:2]
        major, minor = device.split(b":")
        return Mount(
            mount_id=int(mount_id),
            parent_id=int(parent_id),
            device=(int(major), int(minor)),
            fs_root=unescape(fs_root),
            mount_point=unescape(mount_point),
            kind=kind.decode("ascii", "backslashreplace"),
            source=unescape(source),
        )
    except ValueError as error:
        raise CaptureError(f"this line of /proc/self/mountinfo is not one: {line!r}") from error


def _seen_from(mount: Mount, children: Mapping[int, Sequence[Mount]]) -> Iterator[Mount]:
    """The mount, or what is mounted on the very same place, and what is visible below it."""
    stack = [mount]
    while stack:
        current = stack.pop()
        on_it = children.get(current.mount_id, ())
        cover = [child for child in on_it if child.mount_point == current.mount_point]
        if cover:
            stack.append(cover[-1])
            continue
        yield current
        stack.extend(child for child in on_it if not _is_hidden(child, on_it))


def _is_hidden(mount: Mount, siblings: Sequence[Mount]) -> bool:
    """Whether a later mount of the same parent lies on a folder above it."""
    return any(is_below(mount.mount_point, other.mount_point) for other in siblings)
