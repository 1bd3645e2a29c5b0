"""Members of a tar archive as bytes: the pax interchange format.

Sources: POSIX.1-2017, pax(1), "pax Interchange Format" and "ustar Interchange Format"; GNU tar
manual, "Storing Sparse Files", PAX format version 1.0 (GNU.sparse.*); star(5) for SCHILY.xattr.*,
with "%" and "=" in a name written as GNU tar does (%25, %3D).

Records of an extended header are written only where ustar's own fields cannot say it, but for
xattrs, which it has no fields for. Socket files have no type in tar. Nothing is read or opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

BLOCK_BYTES: Final = 512
RECORD_BYTES: Final = 10_240
"""An archive is padded to a multiple of this: twenty blocks, as tar(1) writes tapes."""
NAME_BYTES: Final = 100
MAX_ID: Final = 0o7777777
MAX_SIZE: Final = 0o77777777777
CHECKSUM_AT: Final = 148
NANO: Final = 1_000_000_000


class MemberType(Enum):
    """The typeflag of a ustar header."""

    FILE = b"0"
    HARD_LINK = b"1"
    SYMLINK = b"2"
    CHARACTER_DEVICE = b"3"
    BLOCK_DEVICE = b"4"
    FOLDER = b"5"
    FIFO = b"6"
    EXTENDED = b"x"
    GNU_LONG_LINK = b"K"


@dataclass(frozen=True, slots=True)
class Member:
    """One member but for its content.

    name, link_name: as they shall stand in the archive. mode: permission bits. size_bytes: of what
    follows the header, before padding. xattrs: (name, value). records: more of the extended header.
    """

    name: bytes
    type: MemberType
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size_bytes: int = 0
    link_name: bytes = b""
    major: int = 0
    minor: int = 0
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    records: tuple[tuple[bytes, bytes], ...] = ()


def encode_member(member: Member, *, gnu_links: bool = False) -> bytes:
    """The member's headers, whole blocks; its content and `padding` of it come after.

    gnu_links: say where a link leads, if ustar cannot, in a header of GNU's own and not in a
    record: mksquashfs 4.5 takes the first "/" off what it finds in a record.
    """
    link = b""
    if gnu_links and _needs_record(member.link_name):
        link = _extra(MemberType.GNU_LONG_LINK, b"././@LongLink", member.link_name + b"\0")
    records = _records(member, with_link=not link)
    body = b"".join(encode_record(key, value) for key, value in records)
    name = _short(b"./PaxHeaders/" + member.name.rpartition(b"/")[2])
    extended = _extra(MemberType.EXTENDED, name, body) if body else b""
    return link + extended + _header(member)


def _extra(kind: MemberType, name: bytes, body: bytes) -> bytes:
    """A member that only says more of the next one."""
    header = Member(name, kind, mode=0o644, uid=0, gid=0, mtime_ns=0, size_bytes=len(body))
    return _header(header) + body + padding(len(body))


def encode_record(key: bytes, value: bytes) -> bytes:
    r"""One record; the length in front counts itself.

    >>> encode_record(b"path", b"abc")
    b'12 path=abc\n'
    >>> encode_record(b"k", b"123")
    b'8 k=123\n'
    """
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def padding(size_bytes: int) -> bytes:
    """What fills the last block after size_bytes of content."""
    return bytes(-size_bytes % BLOCK_BYTES)


def end_of_archive(size_bytes: int) -> bytes:
    """What ends an archive of size_bytes: two empty blocks, and padding to a whole record."""
    end = 2 * BLOCK_BYTES
    return bytes(end + -(size_bytes + end) % RECORD_BYTES)


def sparse_map(spans: Sequence[tuple[int, int]], size_bytes: int) -> bytes:
    r"""Where a sparse file has data: whole blocks, to be followed by that data.

    spans: (offset, size), ascending. size_bytes: of the file with its holes; a file that ends with
    a hole has an empty last span there.

    >>> sparse_map([(0, 5)], 5).rstrip(b"\0"), sparse_map([], 9).rstrip(b"\0")
    (b'1\n0\n5\n', b'1\n9\n0\n')
    """
    ends = spans[-1][0] + spans[-1][1] if spans else 0
    shown = [*spans, (size_bytes, 0)] if ends < size_bytes else list(spans)
    numbers = [len(shown), *(number for span in shown for number in span)]
    encoded = b"".join(b"%d\n" % number for number in numbers)
    return encoded + padding(len(encoded))


def sparse_records(name: bytes, size_bytes: int) -> tuple[tuple[bytes, bytes], ...]:
    """The records that make a member a sparse file of that name and size."""
    return (
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.name", name),
        (b"GNU.sparse.realsize", b"%d" % size_bytes),
    )


def sparse_name(name: bytes) -> bytes:
    """The name under which a sparse member goes, for readers that know no sparse files."""
    folder, slash, last = name.rpartition(b"/")
    return folder + slash + b"GNUSparseFile.0/" + last


def _records(member: Member, *, with_link: bool) -> list[tuple[bytes, bytes]]:
    named = [(b"path", member.name)]
    named += [(b"linkpath", member.link_name)] if with_link else []
    records = [(key, name) for key, name in named if _needs_record(name)]
    for key, number, most in (
        (b"uid", member.uid, MAX_ID),
        (b"gid", member.gid, MAX_ID),
        (b"size", member.size_bytes, MAX_SIZE),
    ):
        if number > most:
            records.append((key, b"%d" % number))
    if not all(_is_utf8(name) for _, name in named):
        records.insert(0, (b"hdrcharset", b"BINARY"))
    seconds, nanoseconds = divmod(member.mtime_ns, NANO)
    if nanoseconds or not 0 <= seconds <= MAX_SIZE:
        records.append((b"mtime", _decimal(member.mtime_ns)))
    records += [(b"SCHILY.xattr." + _escaped(name), value) for name, value in member.xattrs]
    return records + list(member.records)


def _needs_record(name: bytes) -> bool:
    return len(name) > NAME_BYTES or not name.isascii()


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decimal(at_ns: int) -> bytes:
    """Seconds since 1970 as a decimal number, exact."""
    sign = b"-" if at_ns < 0 else b""
    return sign + b"%d.%09d" % divmod(abs(at_ns), NANO)


def _escaped(name: bytes) -> bytes:
    return name.replace(b"%", b"%25").replace(b"=", b"%3D")


def _header(member: Member) -> bytes:
    """The ustar header: 512 bytes."""
    seconds = min(max(member.mtime_ns // NANO, 0), MAX_SIZE)
    fields = (
        _short(member.name).ljust(NAME_BYTES, b"\0"),
        _octal(member.mode, 8),
        _octal(min(member.uid, MAX_ID), 8),
        _octal(min(member.gid, MAX_ID), 8),
        _octal(min(member.size_bytes, MAX_SIZE), 12),
        _octal(seconds, 12),
        b" " * 8,
        member.type.value,
        member.link_name[:NAME_BYTES].ljust(NAME_BYTES, b"\0"),
        b"ustar\x0000",
        bytes(64),  # no names of users and groups: the numbers count
        _octal(member.major, 8),
        _octal(member.minor, 8),
    )
    block = b"".join(fields).ljust(BLOCK_BYTES, b"\0")
    checksum = b"%06o\0 " % sum(block)
    return block[:CHECKSUM_AT] + checksum + block[CHECKSUM_AT + len(checksum) :]


def _octal(number: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, number)


def _short(name: bytes) -> bytes:
    """What of a name ustar can hold; the whole of it is in a record."""
    return name[:NAME_BYTES]
