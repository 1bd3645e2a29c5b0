"""What a TFTP transfer reads from: a file on this disk, or bytes that were rendered.

A file is read with pread, never mapped: a mapped file that somebody truncates kills the reader
with SIGBUS.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Hashable
from pathlib import Path
from typing import Final, Protocol

from haoscar_pxe.nodes.asking import FileAnswer
from haoscar_pxe.wire.tftp_blocks import Source
from haoscar_pxe.wire.tftp_packet import to_netascii

LONGEST_NETASCII_BYTES: Final = 1 << 20


class OpenSource(Source, Protocol):
    """A Source that holds something until it is closed."""

    def close(self) -> None:
        """Give it back."""
        ...


class BytesSource:
    """Content in memory."""

    identity = None

    def __init__(self, content: bytes) -> None:
        self._content = content

    @property
    def size_bytes(self) -> int:
        """All of it."""
        return len(self._content)

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        """The bytes there."""
        return self._content[offset_bytes : offset_bytes + size_bytes]

    def close(self) -> None:
        """Nothing is held."""


class FileSource:
    """A regular file, of the size it had when it was opened."""

    def __init__(self, path: Path) -> None:
        """Raises OSError if it cannot be opened or is no regular file."""
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise OSError(f"{path} is not a regular file")
        self.size_bytes = status.st_size
        changed = (status.st_mtime_ns, status.st_ctime_ns, status.st_size)
        self.identity: Hashable = (status.st_dev, status.st_ino, *changed)

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        """The bytes there."""
        return os.pread(self._fd, size_bytes, offset_bytes)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def open_source(answer: FileAnswer, mode: str) -> OpenSource:
    """What is sent for an answer in mode "octet" or "netascii". Raises OSError."""
    source: OpenSource = BytesSource(answer) if isinstance(answer, bytes) else FileSource(answer)
    if mode != "netascii":
        return source
    try:
        return BytesSource(_translated(source))
    finally:
        source.close()


def _translated(source: Source) -> bytes:
    """Only text is asked for in netascii, and its length changes, so it is done beforehand."""
    if source.size_bytes > LONGEST_NETASCII_BYTES:
        raise OSError(f"{source.size_bytes} bytes are too many for mode netascii")
    return to_netascii(source.read(0, source.size_bytes))
