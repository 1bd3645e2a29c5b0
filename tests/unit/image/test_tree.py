"""Which sequences of entries are a tree."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.image.entry import (
    Device,
    Directory,
    Entry,
    Extent,
    Fifo,
    File,
    HardLink,
    Metadata,
    Symlink,
    sort_key,
)
from haoscar_pxe.image.tree import MAX_PATH_BYTES, MalformedTreeError, TreeChecker, check_path

META = Metadata(0o755, 0, 0, 0)
ROOT = Directory(b"", META)
ID = bytes(32)


def check(*entries: Entry) -> None:
    checker = TreeChecker()
    for entry in entries:
        checker.check(entry)


def folder(path: bytes) -> Directory:
    return Directory(path, META)


def test_a_walk_in_order_is_a_tree() -> None:
    check(
        ROOT,
        folder(b"a"),
        folder(b"a/b"),
        Fifo(b"a/b/c", META),
        Fifo(b"a/c", META),
        Fifo(b"a-b", META),
        folder(b"b"),
        HardLink(b"b/x", b"a/c"),
    )


@pytest.mark.parametrize(
    "path",
    [b"/abs", b"..", b"a/../b", b"./a", b"a//b", b"a/", b"a\0b", b"x" * 256, b"a/" * 40_000 + b"a"],
)
def test_paths_that_lead_elsewhere_are_refused(path: bytes) -> None:
    with pytest.raises(MalformedTreeError):
        check_path(path)
    with pytest.raises(MalformedTreeError):
        check(ROOT, Fifo(path, META))


@pytest.mark.parametrize(
    "entries",
    [
        [Fifo(b"", META)],
        [folder(b"a")],
        [ROOT, ROOT],
        [ROOT, Fifo(b"a", META), Fifo(b"a/b", META)],
        [ROOT, Symlink(b"a", META, b"/etc"), Fifo(b"a/b", META)],
        [ROOT, folder(b"a"), folder(b"ab"), Fifo(b"a/c", META)],
        [ROOT, folder(b"a"), Fifo(b"a/b/c", META)],
        [ROOT, folder(b"ab"), Fifo(b"abc/d", META)],
        [ROOT, folder(b"a/b")],
        [ROOT, Fifo(b"b", META), Fifo(b"a", META)],
        [ROOT, Fifo(b"a-b", META), folder(b"a")],
    ],
)
def test_what_has_no_parent_or_place_is_refused(entries: list[Entry]) -> None:
    with pytest.raises(MalformedTreeError):
        check(*entries)


@pytest.mark.parametrize(
    "entry",
    [
        HardLink(b"a", b"a"),
        HardLink(b"a", b"b"),
        HardLink(b"b", b""),
        HardLink(b"b", b"../a"),
        Symlink(b"a", META, b""),
        Symlink(b"a", META, b"x" * 4096),
        Symlink(b"a", META, b"x\0y"),
        Device(b"a", META, True, 4096, 0),
        Device(b"a", META, True, 0, 1 << 20),
        Device(b"a", META, False, -1, 0),
        Fifo(b"a", Metadata(0o10000, 0, 0, 0)),
        Fifo(b"a", Metadata(-1, 0, 0, 0)),
        Fifo(b"a", Metadata(0, 2**32 - 1, 0, 0)),
        Fifo(b"a", Metadata(0, 0, -1, 0)),
        Fifo(b"a", Metadata(0, 0, 0, 2**64)),
        Fifo(b"a", Metadata(0, 0, 0, -(2**63) - 1)),
        Fifo(b"a", Metadata(0, 0, 0, 0, ((b"b", b""), (b"a", b"")))),
        Fifo(b"a", Metadata(0, 0, 0, 0, ((b"a", b""), (b"a", b"")))),
        Fifo(b"a", Metadata(0, 0, 0, 0, ((b"", b""),))),
        Fifo(b"a", Metadata(0, 0, 0, 0, ((b"a", bytes(65_537)),))),
        File(b"a", META, -1),
        File(b"a", META, 2**63),
        File(b"a", META, 5, (Extent(0, 6, ID),)),
        File(b"a", META, 5, (Extent(-1, 2, ID),)),
        File(b"a", META, 5, (Extent(0, 0, ID),)),
        File(b"a", META, 5, (Extent(0, 5, ID[1:]),)),
        File(b"a", META, 9, (Extent(0, 5, ID), Extent(4, 5, ID))),
        File(b"a", META, 2**62, (Extent(2**64, 5, ID),)),
        File(b"a", META, 2**62, (Extent(0, 2**40, ID),)),
    ],
)
def test_impossible_values_are_refused(entry: Entry) -> None:
    with pytest.raises(MalformedTreeError):
        check(ROOT, entry)


@given(st.lists(st.lists(st.sampled_from([b"a", b"b", b"a-", b"\x01", b"\xff"]), max_size=4)))
def test_a_tree_in_sort_key_order_is_accepted_and_any_other_order_refused(
    walks: list[list[bytes]],
) -> None:
    paths = {b"/".join(names[:depth]) for names in walks for depth in range(len(names) + 1)}
    ordered = [folder(path) for path in sorted(paths | {b""}, key=sort_key)]
    check(*ordered)
    if len(ordered) > 2:
        with pytest.raises(MalformedTreeError):
            check(ordered[0], *ordered[:0:-1])


def test_a_path_longer_than_any_file_system_call_takes_is_allowed(tmp_path: Path) -> None:
    depth = MAX_PATH_BYTES // 101
    names = [b"n" * 100] * depth
    check(ROOT, *(folder(b"/".join(names[:end])) for end in range(1, depth + 1)))
