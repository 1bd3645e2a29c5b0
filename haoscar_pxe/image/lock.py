"""Locks of a repository: one writer an image, and folders that belong to a living writer.

    REPO/locks/<image>.lock    flock held while a capture of the image runs; holds who, for people
    REPO/locks/tmp.lock        flock held while a folder in tmp/ is made or removed
    REPO/tmp/<writer>/         flock held on the folder itself for as long as its writer lives

The kernel drops a flock(2) with its process, so a killed writer leaves no lock behind, only a
folder nobody holds, which the next writer removes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haoscar_pxe.errors import BusyError
from haoscar_pxe.image.durable import storage_errors


@contextmanager
def writer_lock(path: Path, image: str) -> Iterator[None]:
    """Hold the image's lock. Raises BusyError at once, naming the holder, if somebody else does."""
    with storage_errors("lock", path):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(
                f"image '{image}' is being captured by {_holder(fd)}",
                hint="wait for it to end, or stop it",
            ) from error
        with storage_errors("lock", path):
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"pid {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)


@contextmanager
def writer_folder(tmp: Path, lock: Path) -> Iterator[Path]:
    """A folder of this writer's own; gone at the end. Removes what dead writers left."""
    with storage_errors("make a folder in", tmp), _held(lock):
        _remove_abandoned(tmp)
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=tmp))
        fd = _open_folder(folder)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(fd)


def _remove_abandoned(tmp: Path) -> None:
    for folder in tmp.iterdir():
        if not folder.is_dir() or folder.is_symlink():
            continue
        fd = _open_folder(folder)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
        except BlockingIOError:
            continue
        finally:
            os.close(fd)


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _open_folder(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _holder(fd: int) -> str:
    return os.pread(fd, 200, 0).decode("utf-8", "replace").strip() or "another process"
