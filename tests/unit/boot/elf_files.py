"""Small ELF files for tests: a kernel module as far as its `.modinfo` section."""

from __future__ import annotations

import struct

NAMES = b"\0.modinfo\0.shstrtab\0"
HEADER_BYTES = 64
SECTION_BYTES = 64


def module(modinfo: bytes) -> bytes:
    """A relocatable ELF file with one section of content (gABI chapter 4)."""
    content = HEADER_BYTES
    names = content + len(modinfo)
    table = names + len(NAMES)
    sections = (
        _section(0, 0, 0, 0),
        _section(NAMES.index(b".modinfo"), 1, content, len(modinfo)),
        _section(NAMES.index(b".shstrtab"), 3, names, len(NAMES)),
    )
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    fields = (1, 62, 1, 0, 0, table, 0, HEADER_BYTES, 0, 0, SECTION_BYTES, len(sections), 2)
    header = struct.pack("<16sHHIQQQIHHHHHH", ident, *fields)
    return header + modinfo + NAMES + b"".join(sections)


def _section(name: int, kind: int, offset: int, size: int) -> bytes:
    return struct.pack("<IIQQQQIIQQ", name, kind, 0, 0, offset, size, 0, 0, 1, 0)
