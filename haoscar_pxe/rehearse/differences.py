"""An installed tree against its generation: all that differs, less what was declared.

Nothing else may differ. A declared file must hold exactly the bytes that the order names, a
removed one must be gone; anything beyond that, on a declared path too (an owner, a mode), is a
difference like any other.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from haoscar_pxe.image.compare import Difference
from haoscar_pxe.image.entry import parents
from haoscar_pxe.nodes.order import IdentityChange
from haoscar_pxe.nodes.standby import OWN_PATHS
from haoscar_pxe.rehearse.mounted import MountedDisk

WRITTEN_ANEW: Final = frozenset({"content", "mtime", "holes"})
"""In what a file differs whose content was replaced."""


def undeclared(
    differences: Iterable[Difference], root: Path, identity: Sequence[IdentityChange]
) -> list[Difference]:
    """The differences of the tree at root that no identity change explains."""
    changes = {change.path: change for change in identity}
    folders = {folder for change in identity for folder in parents(change.path)}
    return [
        each
        for each in differences
        if not _is_declared(each, changes.get(each.path), root)
        and not (each.path in folders and _is_folder_for(each, root, changes))
    ]


def _is_declared(difference: Difference, change: IdentityChange | None, root: Path) -> bool:
    if change is None:
        return False
    if change.content is None:
        return difference.aspect == "missing"
    if difference.aspect == "extra":
        status = _at(root, change.path).lstat()
        is_as_declared = (status.st_uid, status.st_gid) == (0, 0)
        return is_as_declared and status.st_mode == stat.S_IFREG | change.mode
    return difference.aspect in WRITTEN_ANEW


def _is_folder_for(
    difference: Difference, root: Path, changes: dict[bytes, IdentityChange]
) -> bool:
    """A folder that the image lacks and a declared file needed; all in it must be declared."""
    folder = _at(root, difference.path)
    if difference.aspect != "extra" or not folder.is_dir() or folder.is_symlink():
        return False
    below = _files_below(folder, difference.path)
    return all(path in changes or _is_own(path) for path in below)


def _is_own(path: bytes) -> bool:
    """Whether it lies in a folder that is the standby's own."""
    return any(path.startswith(own.path + b"/") for own in OWN_PATHS)


def _files_below(folder: Path, path: bytes) -> Iterator[bytes]:
    """Paths of all that lies below a folder, except folders with something in them."""
    for at, folders, files in os.walk(os.fsencode(folder)):
        here = path + at[len(os.fsencode(folder)) :]
        links = [name for name in folders if os.path.islink(os.path.join(at, name))]
        yield from (here + b"/" + name for name in (*files, *links))
        if not folders and not files:
            yield here


def identity_not_applied(disk: MountedDisk, identity: Sequence[IdentityChange]) -> list[str]:
    """Identity changes that the disk does not show, each in words."""
    problems = []
    for change in identity:
        path = _at(disk.root, change.path)
        found = path.read_bytes() if path.is_file() and not path.is_symlink() else None
        if found != change.content:
            what = "should have been removed" if change.content is None else "is not as declared"
            problems.append(f"/{change.path.decode('utf-8', 'replace')} {what}: {change.reason}")
    return problems


def wrong_uuids(disk: MountedDisk) -> list[str]:
    """File systems whose UUID is not the captured one, each in words."""
    return [
        f"the file system at {each.expected.mount_point} has the UUID {each.found_uuid}, "
        f"not {each.expected.uuid}"
        for each in disk.file_systems
        if each.expected.uuid and each.expected.uuid.lower() != each.found_uuid.lower()
    ]


def fat_roots(disk: MountedDisk) -> frozenset[bytes]:
    """Mount points of FAT file systems."""
    return frozenset(
        each.expected.mount_point.strip("/").encode()
        for each in disk.file_systems
        if each.expected.kind == "vfat"
    )


def is_folders_time(difference: Difference, roots: frozenset[bytes], root: Path) -> bool:
    """Whether it is the time of a folder of a FAT: of its topmost one, a FAT keeps none."""
    is_in_fat = not roots.isdisjoint({difference.path, *parents(difference.path)})
    return is_in_fat and difference.aspect == "mtime" and _at(root, difference.path).is_dir()


def _at(root: Path, path: bytes) -> Path:
    return root / os.fsdecode(path)
