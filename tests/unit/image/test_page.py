"""Pages: canonical bytes, bounded size, and boundaries that content decides."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.errors import IntegrityError, RepositoryError
from haoscar_pxe.image.canonical import encode
from haoscar_pxe.image.entry import (
    Device,
    Directory,
    Entry,
    Extent,
    Fifo,
    File,
    HardLink,
    Metadata,
    SealedFile,
    Socket,
    Symlink,
)
from haoscar_pxe.image.page import (
    MAX_ENTRIES,
    MIN_ENTRIES,
    PageCutter,
    decode_page,
    is_boundary,
)

META = Metadata(0o644, 1, 2, -3, ((b"user.a", b"\0"),))
ONE_OF_EACH: list[Entry] = [
    Directory(b"", META),
    File(b"a\xff\n", META, 2**40, (Extent(0, 5, bytes(32)), Extent(2**39, 1, bytes(32)))),
    SealedFile(b"b", META, 2**40, bytes(32), (Extent(2**39, 1, bytes(32)),)),
    HardLink(b"b", b"a\xff\n"),
    Symlink(b"c", META, b"../\xfe"),
    Device(b"d", META, True, 259, 7),
    Fifo(b"e", META),
    Socket(b"f", META),
]


def pages_of(names: list[bytes]) -> list[list[bytes]]:
    """The paths of each page that a cutter makes of these."""
    cutter, pages, here = PageCutter(), [], []
    for name in names:
        here.append(name)
        if cutter.add(Fifo(name, META)):
            assert [entry.path for entry in decode_page(cutter.take(), "test")] == here
            pages.append(here)
            here = []
    return [*pages, here]


def test_every_kind_of_entry_comes_back() -> None:
    cutter = PageCutter()
    for entry in ONE_OF_EACH:
        assert not cutter.add(entry)
    assert (len(cutter), cutter.first) == (len(ONE_OF_EACH), b"")
    assert decode_page(cutter.take(), "test") == tuple(ONE_OF_EACH)
    assert len(cutter) == 0


def test_a_page_is_laid_out_as_documented() -> None:
    cutter = PageCutter()
    cutter.add(Directory(b"", Metadata(0o755, 0, 0, 1)))
    assert cutter.take() == b"\x91\x93\xa1d\xc4\x00\x95\xcd\x01\xed\x00\x00\x01\x90"


@pytest.mark.parametrize("count", [1, 15, 16, 255, 256, MAX_ENTRIES])
def test_pages_of_any_length_are_canonical(count: int) -> None:
    cutter = PageCutter()
    for number in range(count):
        cutter.add(Fifo(b"%d" % number, META))
    page = cutter.take()
    assert page == encode(decode_page(page, "test"))
    assert len(decode_page(page, "test")) == count


@given(st.binary(max_size=300))
def test_any_bytes_are_a_page_or_refused(noise: bytes) -> None:
    with pytest.raises(IntegrityError):
        decode_page(noise, "test")


@given(st.binary(max_size=40))
def test_any_changed_page_is_canonical_or_refused(noise: bytes) -> None:
    good = encode(tuple(ONE_OF_EACH))
    changed = good[:30] + noise + good[30 + len(noise) :]
    with suppress(IntegrityError):
        assert encode(decode_page(changed, "test")) == changed


def test_longer_integers_unknown_fields_and_unknown_kinds_are_refused() -> None:
    good = encode((Fifo(b"x", Metadata(1, 0, 0, 0)),))
    longer = good.replace(b"\x95\x01", b"\x95\xcc\x01")
    kind_x = good.replace(b"\xa1p", b"\xa1x")
    more = msgspec.msgpack.encode([["p", b"x", [1, 0, 0, 0, []], 7]])
    assert good not in (longer, kind_x, more)
    for other in (longer, kind_x, more, b"\x90", good + good):
        with pytest.raises(IntegrityError):
            decode_page(other, "test")


def test_deep_nesting_is_refused_without_falling_over() -> None:
    with pytest.raises(IntegrityError):
        decode_page(b"\x91" * 1_000_000, "test")
    with pytest.raises(IntegrityError):
        decode_page(b"\xdd\xff\xff\xff\xff", "test")


def test_a_page_of_more_entries_than_a_writer_puts_into_one_is_refused() -> None:
    entries = [Fifo(b"%05d" % number, Metadata(1, 0, 0, 0)) for number in range(70_000)]
    assert len(decode_page(encode(entries[:MAX_ENTRIES]), "test")) == MAX_ENTRIES
    for count in (MAX_ENTRIES + 1, 65_535, 65_536, 70_000):
        with pytest.raises(IntegrityError, match="more than 2048 entries"):
            decode_page(encode(entries[:count]), "test")


def test_boundaries_follow_content_not_position() -> None:
    names = [b"%06d" % number for number in range(20_000)]
    before = pages_of(names)
    after = pages_of([b"!inserted", *names])
    assert before[-3:] == after[-3:]
    assert len(before) > 15
    assert all(len(page) <= MAX_ENTRIES for page in before)
    assert all(len(page) >= MIN_ENTRIES and is_boundary(page[-1]) for page in before[:-1])


def test_long_extent_lists_end_a_page_early_and_too_long_ones_are_named() -> None:
    cutter = PageCutter()
    extents = tuple(Extent(number, 1, bytes(32)) for number in range(40_000))
    assert cutter.add(File(b"database", META, 40_000, extents))
    cutter.take()
    with pytest.raises(RepositoryError, match="vast"):
        cutter.add(File(b"vast", META, 1 << 40, extents * 25))
