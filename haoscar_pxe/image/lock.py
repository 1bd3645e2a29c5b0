"""Locks of a repository: one writer an image, folders that belong to a living writer, and prune.

    REPO/locks/<image>.lock    flock held while a capture of the image runs; holds who, for people
    REPO/locks/tmp             flock held while a folder in tmp/ is made, and all through a prune
    REPO/tmp/<writer>/         flock held on the folder itself for as long as its writer lives

Who relies on packs staying where they are has a folder in tmp/: a writer makes one before it reads
what packs there are. Prune takes locks/tmp, refuses if a living writer has a folder, and keeps the
lock to its end, so that the next writer begins only then and sees the packs that are left.

The kernel drops a flock(2) with its process, so a killed writer leaves no lock behind, only a
folder nobody holds, which the next writer, or prune, removes.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from haoscar_pxe.errors import BusyError
from haoscar_pxe.image.durable import storage_errors

log = logging.getLogger(__name__)


@contextmanager
def writer_lock(path: Path, image: str) -> Iterator[None]:
    """Hold the image's lock. Raises BusyError at once, naming the holder, if somebody else does."""
    with storage_errors("lock", path):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        with storage_errors("lock", path):  # not every network file system has flock
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BusyError(
                    f"image '{image}' is being captured by {_holder(fd)}",
                    hint="wait for it to end, or stop it",
                ) from error
            _sign(fd)
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


@contextmanager
def no_writers(tmp: Path, lock: Path) -> Iterator[None]:
    """Keep writers from beginning, and remove what dead ones left. Needs no space on the disk.

    Raises BusyError at once if somebody writes now, or does the same as this.
    """
    with _held(lock, wait=False):
        with storage_errors("look for writers in", tmp):
            living = _remove_abandoned(tmp)
        if living:
            raise BusyError(
                f"the repository is being written to (pid {', '.join(living)})",
                hint="wait for the capture to end, or stop it",
            )
        yield


def _remove_abandoned(tmp: Path) -> list[str]:
    """Remove folders that nobody holds; the process ids in the names of the others."""
    living = []
    for folder in tmp.iterdir():
        if not folder.is_dir() or folder.is_symlink():
            continue
        try:
            fd = _open_folder(folder)
        except FileNotFoundError:  # its writer has just come to its end
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
        except BlockingIOError:
            living.append(folder.name.partition("-")[0])
        finally:
            os.close(fd)
    return living


@contextmanager
def _held(lock: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock on tmp/. Raises BusyError if somebody has it and wait is False."""
    with storage_errors("lock", lock):
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        with storage_errors("lock", lock):
            _take(fd, wait)
        with suppress(OSError):  # for people only, and a full disk is no reason not to prune
            _sign(fd)
        yield
    finally:
        os.close(fd)


def _take(fd: int, wait: bool) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        if not wait:
            raise BusyError(
                f"the repository is being pruned or written to by {_holder(fd)}",
                hint="wait for that to end",
            ) from error
        log.info("waiting until %s lets go of the repository", _holder(fd))
        fcntl.flock(fd, fcntl.LOCK_EX)


def _sign(fd: int) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"pid {os.getpid()} on {socket.gethostname()}\n".encode(), 0)


def _open_folder(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _holder(fd: int) -> str:
    return os.pread(fd, 200, 0).decode("utf-8", "replace").strip() or "another process"
