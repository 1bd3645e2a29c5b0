"""A mount namespace of our own, in which snapshots are mounted where nobody else sees them.

Sources: mount_namespaces(7), setns(2), unshare(2). The kernel undoes its mounts when the process
ends, however it ends. It hears of the head's unmounts (it is a slave of it), so that it keeps no
disk busy. A descriptor that was opened inside goes on working outside, so only mounting is done
inside.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CLONE_FS: Final = 0x200  # linux/sched.h
CLONE_NEWNS: Final = 0x20000
MS_REC: Final = 0x4000  # linux/mount.h
MS_SLAVE: Final = 0x80000
STAGE: Final = Path("/run/haoscar-pxe-shots")
"""Where snapshots are mounted. It stays behind, empty: to remove it would unmount it for others."""

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class _Standing:
    """Where a thread stands: descriptors of its namespace, root and working folder."""

    namespace: int
    root: int
    folder: int

    @classmethod
    def here(cls, stack: ExitStack) -> _Standing:
        opened = []
        for path in ("/proc/thread-self/ns/mnt", "/", "."):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, fd)
            opened.append(fd)
        return cls(*opened)

    def take(self) -> None:
        """Go there. setns(2) refuses a thread that shares its root with others, and moves it."""
        _check(_libc.unshare(CLONE_FS))
        _check(_libc.setns(self.namespace, CLONE_NEWNS))
        os.fchdir(self.root)
        os.chroot(".")
        os.fchdir(self.folder)


class PrivateMounts:
    """The namespace; only the thread that made it may enter it."""

    def __init__(self, outside: _Standing, inside: _Standing) -> None:
        self._outside = outside
        self._inside = inside

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be inside for the block. Raises OSError."""
        self._inside.take()
        try:
            yield
        finally:
            self._outside.take()


@contextmanager
def private_mounts() -> Iterator[PrivateMounts]:
    """A new namespace with all mounts of this one; they are gone after the block.

    Raises OSError: not root, or "/" is no mount point (a chroot).
    """
    with ExitStack() as stack:
        outside = _Standing.here(stack)
        _check(_libc.unshare(CLONE_NEWNS))
        try:
            _check(_libc.mount(b"none", b"/", None, MS_REC | MS_SLAVE, None))
            inside = _Standing.here(stack)
        finally:
            outside.take()
        yield PrivateMounts(outside, inside)


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
