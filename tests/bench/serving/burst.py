"""Receives a window of TFTP blocks with one system call, each payload in its place.

Source: recvmmsg(2). The load shares the processors with the server that is measured: what it does
not spend, the server has. Python has no recvmmsg of its own, and one call a datagram would make
this client the limit.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Final

from tests.bench.serving.expected import Expected

MSG_DONTWAIT: Final = 0x40  # include/linux/socket.h
HEADER_BYTES: Final = 4  # RFC 1350 section 5
_libc = ctypes.CDLL(None, use_errno=True)


class _Piece(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """struct mmsghdr: a struct msghdr and the number of bytes that came."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("pieces", ctypes.c_void_p),
        ("piece_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("padding", ctypes.c_int),
        ("received", ctypes.c_uint32),
    )


class Burst:
    """Room for so many datagrams of a header and at most blksize bytes, used again and again.

    headers: 4 bytes for each datagram. payloads: that of datagram i begins at i * blksize.
    """

    def __init__(self, datagrams: int, blksize: int) -> None:
        self.blksize = blksize
        headers = ctypes.create_string_buffer(datagrams * HEADER_BYTES)
        payloads = ctypes.create_string_buffer(datagrams * blksize)
        self._pieces = (_Piece * (2 * datagrams))()
        self._messages = (_Message * datagrams)()
        for number, message in enumerate(self._messages):
            at = ctypes.addressof(self._pieces) + 2 * number * ctypes.sizeof(_Piece)
            message.pieces, message.piece_count = at, 2
            self._place(2 * number, ctypes.addressof(headers), number, HEADER_BYTES)
            self._place(2 * number + 1, ctypes.addressof(payloads), number, blksize)
        self._datagrams = datagrams
        self._address = ctypes.addressof(payloads)
        self.headers = memoryview(headers).cast("B")
        self.payloads = memoryview(payloads).cast("B")
        words = memoryview(self._messages).cast("B").cast("I")
        self._sizes = words[_Message.received.offset // 4 :: ctypes.sizeof(_Message) // 4]

    def _place(self, piece: int, base: int, number: int, length: int) -> None:
        self._pieces[piece].base = base + number * length
        self._pieces[piece].length = length

    def receive(self, fd: int) -> int:
        """How many datagrams came, 0 if none is there. Raises OSError."""
        count: int = _libc.recvmmsg(fd, self._messages, self._datagrams, MSG_DONTWAIT, None)
        if count >= 0:
            return count
        code = ctypes.get_errno()
        if code in (errno.EAGAIN, errno.EINTR):
            return 0
        raise OSError(code, os.strerror(code))

    def matches(self, expected: Expected, offset_bytes: int, size_bytes: int) -> bool:
        """Whether the first so many bytes of payloads are what must come there."""
        return expected.matches(self._address, offset_bytes, size_bytes)

    def sizes(self, count: int) -> list[int]:
        """Bytes of the first so many datagrams, headers included."""
        return self._sizes[:count].tolist()
