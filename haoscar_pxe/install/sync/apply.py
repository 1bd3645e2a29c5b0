"""Carries a committed journal out, from its first step to its last, as often as it takes.

Each step says what shall be and looks whether it is: done again after a power cut, in this system
or in the finisher, the outcome is the same. Nothing is walked through a symlink.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Final, assert_never

from haoscar_pxe.image.attributes import names_of_xattrs, put_on_descriptor, put_on_name
from haoscar_pxe.image.entry import Metadata
from haoscar_pxe.image.folders import FOLDER_FLAGS, open_below
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.install.sync.journal import Link, MakeFolder, Put, Remove, SetAttributes, Step
from haoscar_pxe.install.sync.places import Places
from haoscar_pxe.install.sync.removal import despite_flags, remove

KERNELS_OWN: Final = "security.selinux"
"""The kernel gives every file this label; it is only set, never taken away."""


def apply(steps: Iterable[Step], places: Places, progress: Progress) -> list[bytes]:
    """Do every step. Raises OSError; then everything may be done again.

    Returns the paths that whatever runs on this machine has removed meanwhile: the next sync
    finds them missing. Nothing of the journal's own is ever among them.
    """
    applying = _Applying(places)
    for step in steps:
        applying.do(step)
        progress.advance(0)
    return applying.vanished


class _Applying:
    """One pass over the steps."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._gave_way = 0
        self.vanished: list[bytes] = []

    def do(self, step: Step) -> None:
        parent, _, name = step.path.rpartition(b"/")
        try:
            folder_fd = self._open(parent, make=isinstance(step, Put | Link | MakeFolder))
            try:
                act = partial(self._do, step, folder_fd, name)
                despite_flags(act, folder_fd, name or b".")
            finally:
                os.close(folder_fd)
        except (FileNotFoundError, NotADirectoryError):
            if isinstance(step, Put | MakeFolder):
                raise
            if not isinstance(step, Remove):
                self.vanished.append(step.path)

    def _open(self, path: bytes, *, make: bool) -> int:
        """The folder; one that has vanished is made again, and gets its attributes at the end."""
        try:
            return open_below(self._places.root_fd, path)
        except FileNotFoundError:
            if not make or not path:
                raise
        parent, _, name = path.rpartition(b"/")
        parent_fd = self._open(parent, make=True)
        try:
            os.mkdir(name, 0o700, dir_fd=parent_fd)
        finally:
            os.close(parent_fd)
        return open_below(self._places.root_fd, path)

    def _do(self, step: Step, folder_fd: int, name: bytes) -> None:
        match step:
            case MakeFolder():
                self._make_folder(step, folder_fd, name)
            case Put():
                self._put(step, folder_fd, name)
            case Link():
                self._link(step, folder_fd, name)
            case Remove():
                self._give_way(step.path, folder_fd, name)
            case SetAttributes():
                _set_attributes(step, folder_fd, name)
            case _:
                assert_never(step)

    def _make_folder(self, step: MakeFolder, folder_fd: int, name: bytes) -> None:
        there = _lstat(folder_fd, name)
        if there is not None and not stat.S_ISDIR(there.st_mode):
            self._give_way(step.path, folder_fd, name)
            there = None
        if there is None:
            os.mkdir(name, 0o700, dir_fd=folder_fd)
            _put_on_folder(folder_fd, name, step.meta)

    def _put(self, step: Put, folder_fd: int, name: bytes) -> None:
        staging_fd = self._places.staging_fd(step.path)
        if _lstat(staging_fd, step.staged) is None:
            return  # it was put there before
        there = _lstat(folder_fd, name)
        if there is not None and stat.S_ISDIR(there.st_mode):
            self._give_way(step.path, folder_fd, name)
        os.rename(step.staged, name, src_dir_fd=staging_fd, dst_dir_fd=folder_fd)

    def _link(self, step: Link, folder_fd: int, name: bytes) -> None:
        """A name beside the tree first, so that the path is never without a file."""
        staging_fd = self._places.staging_fd(step.path)
        parent, _, target = step.target.rpartition(b"/")
        target_fd = open_below(self._places.root_fd, parent)
        try:
            there, wanted = _lstat(folder_fd, name), os.lstat(target, dir_fd=target_fd)
            if there is not None and os.path.samestat(there, wanted):
                return  # rename(2) of two names of one file does nothing
            if there is not None and stat.S_ISDIR(there.st_mode):
                self._give_way(step.path, folder_fd, name)
            with suppress(FileNotFoundError):
                os.unlink(b"link", dir_fd=staging_fd)
            os.link(
                target, b"link", src_dir_fd=target_fd, dst_dir_fd=staging_fd, follow_symlinks=False
            )
        finally:
            os.close(target_fd)
        os.rename(b"link", name, src_dir_fd=staging_fd, dst_dir_fd=folder_fd)

    def _give_way(self, path: bytes, folder_fd: int, name: bytes) -> None:
        """Take what stands there, a whole folder too, out of the tree by one rename."""
        if _lstat(folder_fd, name) is None:
            return
        staging_fd = self._places.staging_fd(path)
        while _lstat(staging_fd, old := b"old-%d" % self._gave_way) is not None:
            self._gave_way += 1  # of an earlier run
        os.rename(name, old, src_dir_fd=folder_fd, dst_dir_fd=staging_fd)
        remove(staging_fd, old)


def _set_attributes(step: SetAttributes, folder_fd: int, name: bytes) -> None:
    if not step.path:
        _put_on_folder(folder_fd, b".", step.meta)
    elif step.is_folder:
        _put_on_folder(folder_fd, name, step.meta)
    else:
        _remove_others(b"/proc/self/fd/%d/%s" % (folder_fd, name), step.meta)
        put_on_name(folder_fd, name, step.meta, is_symlink=step.is_symlink)


def _put_on_folder(parent_fd: int, name: bytes, meta: Metadata) -> None:
    fd = os.open(name, FOLDER_FLAGS, dir_fd=parent_fd)
    try:
        for xattr in _others(names_of_xattrs(fd), meta):
            os.removexattr(fd, xattr)
        put_on_descriptor(fd, meta)
    finally:
        os.close(fd)


def _remove_others(path: bytes, meta: Metadata) -> None:
    for xattr in _others(names_of_xattrs(path), meta):
        os.removexattr(path, xattr, follow_symlinks=False)


def _others(names: Iterable[str], meta: Metadata) -> list[str]:
    """xattrs that shall not be: a capability that a file has lost is as bad as one it gained."""
    wanted = {os.fsdecode(name) for name, _ in meta.xattrs}
    return [name for name in names if name not in wanted and name != KERNELS_OWN]


def _lstat(folder_fd: int, name: bytes) -> os.stat_result | None:
    try:
        return os.lstat(name, dir_fd=folder_fd)
    except FileNotFoundError:
        return None
