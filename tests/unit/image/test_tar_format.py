"""Archives are what POSIX and GNU tar say: read back by Python's own tarfile, field by field."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.image.tar_format import (
    BLOCK_BYTES,
    RECORD_BYTES,
    Member,
    MemberType,
    encode_member,
    encode_record,
    end_of_archive,
    padding,
    sparse_map,
    sparse_name,
    sparse_records,
)

PLAIN = Member(b"etc/hosts", MemberType.FILE, 0o644, 0, 0, 1_700_000_000_000_000_000, 5)


def archive(member: Member, content: bytes = b"", *, gnu_links: bool = False) -> bytes:
    """An archive of one member."""
    body = encode_member(member, gnu_links=gnu_links) + content + padding(len(content))
    return body + end_of_archive(len(body))


def read_back(data: bytes) -> tarfile.TarInfo:
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as opened:
        (info,) = opened.getmembers()
        return info


def test_a_plain_member_is_one_ustar_header_as_gnu_tar_writes_it() -> None:
    """These came from `tar --format=ustar --numeric-owner --mode=0644 --mtime=@1700000000`."""
    header = encode_member(PLAIN)
    assert len(header) == BLOCK_BYTES
    assert header.rstrip(b"\0") == (
        b"etc/hosts".ljust(100, b"\0")
        + b"0000644\x000000000\x000000000\x0000000000005\x0014524770400\x00"
        + b"011100\x00 0"
        + bytes(100)
        + b"ustar\x0000"
        + bytes(64)
        + b"0000000\x000000000"
    )


def test_an_archive_ends_with_two_empty_blocks_and_whole_records() -> None:
    data = archive(PLAIN, b"hello")
    assert len(data) == RECORD_BYTES
    assert data[2 * BLOCK_BYTES :] == bytes(RECORD_BYTES - 2 * BLOCK_BYTES)
    assert len(end_of_archive(RECORD_BYTES)) == RECORD_BYTES
    assert len(end_of_archive(RECORD_BYTES - 2 * BLOCK_BYTES)) == 2 * BLOCK_BYTES


@given(key=st.binary(min_size=1, max_size=30), size=st.integers(0, 2000))
def test_the_length_of_a_record_counts_itself(key: bytes, size: int) -> None:
    record = encode_record(key, b"v" * size)
    assert int(record.split(b" ")[0]) == len(record)


@pytest.mark.parametrize("size", [*range(85, 105), *range(980, 1005)])
def test_the_length_of_a_record_is_right_where_it_grows_by_a_digit(size: int) -> None:
    record = encode_record(b"k", b"v" * size)
    assert int(record.split(b" ")[0]) == len(record)


names = st.binary(min_size=1, max_size=300).filter(
    lambda name: b"\0" not in name and not name.endswith(b"/")
)


@given(
    name=names,
    mode=st.integers(0, 0o7777),
    owner=st.tuples(st.integers(0, 2**32 - 2), st.integers(0, 2**32 - 2)),
    mtime_ns=st.integers(-(2**63), 2**63 - 1),
    target=names,
    gnu_links=st.booleans(),
)
def test_what_goes_in_comes_out(
    name: bytes,
    mode: int,
    owner: tuple[int, int],
    mtime_ns: int,
    target: bytes,
    gnu_links: bool,
) -> None:
    member = Member(name, MemberType.SYMLINK, mode, *owner, mtime_ns, link_name=target)
    info = read_back(archive(member, gnu_links=gnu_links))
    assert info.issym()
    assert info.name.encode("utf-8", "surrogateescape") == name
    assert info.linkname.encode("utf-8", "surrogateescape") == target
    assert (info.mode, info.uid, info.gid) == (mode, *owner)
    assert info.mtime == pytest.approx(mtime_ns / 1e9, abs=1e-3)


def test_nanoseconds_are_kept_exactly_before_and_after_1970() -> None:
    for mtime_ns, said in (
        (1_234_567_890_123_456_789, "1234567890.123456789"),
        (-1, "-0.000000001"),
        (-86_400_000_000_001, "-86400.000000001"),
    ):
        member = Member(b"f", MemberType.FILE, 0, 0, 0, mtime_ns)
        assert read_back(archive(member)).pax_headers["mtime"] == said


def test_xattrs_are_records_with_binary_values_and_escaped_names() -> None:
    member = Member(
        b"f",
        MemberType.FILE,
        0,
        0,
        0,
        0,
        xattrs=((b"user.a=b%", b"v"), (b"security.capability", b"\0\xff\n")),
    )
    data = archive(member)
    assert b" SCHILY.xattr.user.a%3Db%25=v\n" in data
    assert b"SCHILY.xattr.security.capability=\0\xff\n" in data


def test_devices_have_their_numbers() -> None:
    member = Member(b"disk", MemberType.BLOCK_DEVICE, 0o660, 0, 6, 0, major=259, minor=1_048_575)
    info = read_back(archive(member))
    assert info.isblk()
    assert (info.devmajor, info.devminor) == (259, 1_048_575)


def test_a_sparse_member_has_the_size_and_the_holes_of_its_map() -> None:
    spans, content = [(512, 512), (4096, 100)], b"1" * 612
    at = sparse_map(spans, 1 << 40)
    member = Member(
        sparse_name(b"var/log/lastlog"),
        MemberType.FILE,
        0o664,
        0,
        43,
        0,
        size_bytes=len(at) + len(content),
        records=sparse_records(b"var/log/lastlog", 1 << 40),
    )
    info = read_back(archive(member, at + content))
    assert (info.name, info.size) == ("var/log/lastlog", 1 << 40)
    # What its type says of `sparse` is of another version than this.
    assert str(info.sparse) == str([*spans, (1 << 40, 0)])


def test_a_file_too_large_for_ustar_says_its_size_in_a_record() -> None:
    member = Member(b"huge", MemberType.FILE, 0, 0, 0, 0, size_bytes=1 << 40)
    data = encode_member(member)
    assert b"22 size=1099511627776\n" in data
