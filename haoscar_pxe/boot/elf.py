"""Read what a bundle needs to know of ELF files: libraries, sections, and what to leave off.

Sources: the System V gABI chapters 4 and 5 ("Object Files", "Program Loading and Dynamic
Linking"), elf(5), ld.so(8). 64-bit little-endian files only: that is x86-64, arm64 and riscv64.
It does not relocate or load anything.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from haoscar_pxe.errors import BootError

MAGIC: Final = b"\x7fELF\x02\x01"
"""EI_MAG, then EI_CLASS = ELFCLASS64, EI_DATA = ELFDATA2LSB."""

FILE_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
PROGRAM_HEADER: Final = struct.Struct("<IIQQQQQQ")
SECTION_HEADER: Final = struct.Struct("<IIQQQQIIQQ")
DYNAMIC_ENTRY: Final = struct.Struct("<qQ")

PT_LOAD: Final = 1
PT_DYNAMIC: Final = 2
PT_INTERP: Final = 3

DT_NULL: Final = 0
DT_NEEDED: Final = 1
DT_STRTAB: Final = 5
DT_RPATH: Final = 15
DT_RUNPATH: Final = 29

SHT_NOBITS: Final = 8


class ElfError(BootError):
    """The bytes are not a 64-bit little-endian ELF file, or they contradict themselves."""


@dataclass(frozen=True, slots=True)
class Linkage:
    """What a program or shared library asks of the dynamic loader.

    machine: e_machine (62 is x86-64). interpreter: path of the loader, "" for libraries and
    static programs. needed: sonames. run_paths: DT_RUNPATH, or else DT_RPATH, still with $ORIGIN.
    """

    machine: int
    interpreter: str
    needed: tuple[str, ...]
    run_paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    offset: int
    address: int
    file_size: int


@dataclass(frozen=True, slots=True)
class _Header:
    machine: int
    program_headers: tuple[int, int, int]
    """Offset, size of one, how many."""
    section_headers: tuple[int, int, int]
    names_section: int


def is_elf(data: bytes) -> bool:
    """Whether the bytes start as a 64-bit little-endian ELF file does."""
    return data.startswith(MAGIC)


def linkage(data: bytes) -> Linkage:
    """Read the dynamic section. Raises ElfError."""
    try:
        return _linkage(data)
    except (struct.error, ValueError, OverflowError) as error:
        raise ElfError(f"damaged ELF file: {error}") from error


def section(data: bytes, name: bytes) -> bytes:
    """The bytes of a section, b"" if there is none of that name. Raises ElfError."""
    try:
        sections = dict(_sections(data))
    except (struct.error, ValueError, OverflowError) as error:
        raise ElfError(f"damaged ELF file: {error}") from error
    return sections.get(name, b"")


def without_symbols(data: bytes) -> bytes:
    """The file without its section table and all that follows the last loaded byte.

    That is debug information and the static symbol table, which only debuggers read: the loader
    goes by segments. It takes 10 MB of the 11.6 MB off zstandard's extension module. A file that
    has no segments (a kernel module) is returned whole. Raises ElfError.
    """
    header = _header(data)
    offset, size, count = header.program_headers
    try:
        ends = [segment.offset + segment.file_size for segment in _segments(data, header)]
    except (struct.error, OverflowError) as error:
        raise ElfError(f"damaged ELF file: {error}") from error
    end = max([FILE_HEADER.size, offset + size * count, *ends])
    if not ends or end >= len(data):
        return data
    fields = list(FILE_HEADER.unpack_from(data))
    # e_shoff, then e_shentsize stays, then e_shnum and e_shstrndx: "no section table" (gABI 4).
    fields[6], fields[12], fields[13] = 0, 0, 0
    return FILE_HEADER.pack(*fields) + data[FILE_HEADER.size : end]


def _header(data: bytes) -> _Header:
    if not is_elf(data) or len(data) < FILE_HEADER.size:
        raise ElfError("not a 64-bit little-endian ELF file")
    f = FILE_HEADER.unpack_from(data)
    return _Header(
        machine=f[2],
        program_headers=(f[5], f[9], f[10]),
        section_headers=(f[6], f[11], f[12]),
        names_section=f[13],
    )


def _segments(data: bytes, header: _Header) -> Iterator[_Segment]:
    offset, size, count = header.program_headers
    for index in range(count):
        kind, _, file_offset, address, _, file_size, _, _ = PROGRAM_HEADER.unpack_from(
            data, offset + index * size
        )
        yield _Segment(kind, file_offset, address, file_size)


def _linkage(data: bytes) -> Linkage:
    header = _header(data)
    segments = list(_segments(data, header))
    entries = [
        entry
        for segment in segments
        if segment.kind == PT_DYNAMIC
        for entry in _dynamic(data, segment)
    ]
    # A static program has no string table, and nothing below asks for one.
    strings = next((value for tag, value in entries if tag == DT_STRTAB), 0)

    def texts(wanted: int) -> list[str]:
        base = _file_offset(segments, strings) if strings else 0
        return [_text(data, base + value) for tag, value in entries if tag == wanted]

    run_paths = texts(DT_RUNPATH) or texts(DT_RPATH)
    return Linkage(
        machine=header.machine,
        interpreter=next((_text(data, s.offset) for s in segments if s.kind == PT_INTERP), ""),
        needed=tuple(texts(DT_NEEDED)),
        run_paths=tuple(part for path in run_paths for part in path.split(":") if part),
    )


def _dynamic(data: bytes, segment: _Segment) -> Iterator[tuple[int, int]]:
    body = memoryview(data)[segment.offset : segment.offset + segment.file_size]
    whole = len(body) - len(body) % DYNAMIC_ENTRY.size
    for tag, value in DYNAMIC_ENTRY.iter_unpack(body[:whole]):
        if tag == DT_NULL:
            return
        yield tag, value


def _file_offset(segments: list[_Segment], address: int) -> int:
    """Where in the file the byte lies that is loaded at address."""
    for s in segments:
        if s.kind == PT_LOAD and s.address <= address < s.address + s.file_size:
            return address - s.address + s.offset
    raise ElfError(f"address {address:#x} is in no loaded segment")


def _text(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode()


def _sections(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    header = _header(data)
    offset, size, count = header.section_headers
    found = [SECTION_HEADER.unpack_from(data, offset + index * size) for index in range(count)]
    if header.names_section >= len(found):
        return
    names = found[header.names_section][4]
    for name, kind, _, _, start, length, *_ in found:
        if kind != SHT_NOBITS:
            begin = names + name
            yield data[begin : data.index(b"\0", begin)], data[start : start + length]
