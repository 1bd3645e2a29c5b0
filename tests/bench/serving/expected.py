"""What must come, where memcmp(3) finds it: memoryviews compare byte by byte, 50 times slower."""

from __future__ import annotations

import ctypes

_libc = ctypes.CDLL(None)
_libc.memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


class Expected:
    """The content of a file. view: the same for Python."""

    def __init__(self, content: bytes) -> None:
        self._memory = ctypes.create_string_buffer(content, len(content))
        self._address = ctypes.addressof(self._memory)
        self.view = memoryview(content)

    def matches(self, address: int, offset_bytes: int, size_bytes: int) -> bool:
        """Whether the bytes at that address of this process are what must come there."""
        if offset_bytes + size_bytes > len(self.view):
            return False
        return bool(_libc.memcmp(address, self._address + offset_bytes, size_bytes) == 0)
