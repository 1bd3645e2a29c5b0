"""What changed between generations is named by content, and only what differs is read."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from blake3 import blake3

from haoscar_pxe.image.diff import Change, diff, differing_pages, is_layout_changed
from haoscar_pxe.image.entry import Entry, Extent, Fifo, File, Metadata
from haoscar_pxe.image.layout import Boot, Disk, DiskLayout, FileSystem, Partition
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.page_entries import page_reader
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.repository import Repository
from tests.unit.image import awkward
from tests.unit.image.counting_reader import CountingReader
from tests.unit.image.generations import META, store_entries
from tests.unit.image.tree_reading import store_tree

MIB = 1 << 20


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "repository")


def changes(repository: Repository, older: Manifest, newer: Manifest) -> list[Change]:
    store = repository.store
    found = diff(older, newer, page_reader(store), lambda: ChunkReader(store), Silence())
    return list(found)


def after(
    repository: Repository, tmp_path: Path, change: Callable[[Path], object]
) -> dict[bytes, Change]:
    """What a change of a small tree is told as, less the mtime of its root."""
    root = tmp_path / "tree"
    (root / "folder").mkdir(parents=True)
    (root / "folder/file").write_bytes(b"before")
    (root / "large").write_bytes(random.Random(1).randbytes(3 * MIB))
    (root / "link").symlink_to("folder")
    os.mkfifo(root / "pipe")
    older = store_tree(repository, root)
    change(root)
    found = changes(repository, older, store_tree(repository, root))
    return {each.path: each for each in found if each.path not in (b"", b"folder")}


def test_a_tree_that_did_not_change_has_no_changes(repository: Repository, tmp_path: Path) -> None:
    assert after(repository, tmp_path, lambda root: None) == {}


def test_what_was_added_and_removed_is_named_with_all_below_it(
    repository: Repository, tmp_path: Path
) -> None:
    found = after(repository, tmp_path, lambda root: (root / "folder").rename(root / "renamed"))
    assert [(each.kind, each.path) for each in found.values()] == [
        ("removed", b"folder/file"),
        ("added", b"renamed"),
        ("added", b"renamed/file"),
    ]
    assert found[b"renamed/file"] == Change(b"renamed/file", "added", "File", (), 6, 6)


def test_a_change_within_a_large_file_counts_only_its_new_bytes(
    repository: Repository, tmp_path: Path
) -> None:
    def change(root: Path) -> None:
        with (root / "large").open("r+b") as file:
            file.seek(MIB)
            file.write(b"changed")
        os.utime(root / "large", ns=(0, 0))

    (only,) = after(repository, tmp_path, change).values()
    assert (only.path, only.kind, only.aspects) == (b"large", "changed", ("content", "mtime"))
    assert only.size_bytes == 3 * MIB
    assert 0 < only.new_bytes <= 512 << 10


def test_a_touched_file_changed_in_its_mtime_and_nothing_else(
    repository: Repository, tmp_path: Path
) -> None:
    (only,) = after(repository, tmp_path, lambda root: os.utime(root / "large", ns=(0, 0))).values()
    assert (only.aspects, only.new_bytes) == (("mtime",), 0)


def test_every_aspect_is_named(repository: Repository, tmp_path: Path) -> None:
    def change(root: Path) -> None:
        status = (root / "folder/file").stat()
        (root / "folder/file").chmod(0o4700)
        os.setxattr(root / "folder/file", "user.origin", b"here")
        os.utime(root / "folder/file", ns=(0, status.st_mtime_ns))
        (root / "link").unlink()
        (root / "link").symlink_to("large")
        (root / "pipe").unlink()
        (root / "pipe").write_bytes(b"no pipe any more")
        os.link(root / "large", root / "second-name")

    found = after(repository, tmp_path, change)
    assert found[b"folder/file"].aspects == ("mode", "xattrs")
    assert found[b"link"].aspects == ("target", "mtime")
    assert found[b"pipe"].aspects == ("type",)
    assert (found[b"second-name"].kind, found[b"second-name"].entry_type) == ("added", "HardLink")
    assert b"large" not in found


def test_other_holes_and_other_cuts_are_no_change_of_content(repository: Repository) -> None:
    zeros, ones, both = bytes(4096), b"1" * 4096, bytes(4096) + b"1" * 4096
    ids = {data: blake3(data).digest() for data in (zeros, ones, both)}

    def files(*cuts: list[Extent]) -> list[Entry]:
        named = zip((b"cut", b"hole"), cuts, strict=True)
        return [File(name, META, 8192, tuple(extents)) for name, extents in named]

    whole, hole = [Extent(0, 8192, ids[both])], [Extent(4096, 4096, ids[ones])]
    pieces = [Extent(0, 4096, ids[zeros]), Extent(4096, 4096, ids[ones])]
    chunks = (zeros, ones, both)
    older = store_entries(repository, files(whole, whole), chunks=chunks)
    newer = store_entries(repository, files(pieces, hole), chunks=chunks)
    assert [(each.path, each.aspects) for each in changes(repository, older, newer)] == [
        (b"hole", ("holes",))
    ]


def test_only_pages_that_differ_are_read(repository: Repository) -> None:
    """20,000 entries, three of them changed: the pages of the rest are never asked for."""
    names = [Fifo(b"%06d" % number, META) for number in range(20_000)]
    older = store_entries(repository, names)
    names[10_000] = Fifo(b"010000", Metadata(0o700, 0, 0, 5))
    del names[15_000]
    newer = store_entries(repository, [*names, Fifo(b"a-new-one", META)])
    reader = CountingReader(repository.store)
    found = list(diff(older, newer, reader, lambda: reader, Silence()))
    assert [(each.kind, each.path) for each in found] == [
        ("changed", b"010000"),
        ("removed", b"015000"),
        ("added", b"a-new-one"),
    ]
    assert len(older.pages) > 15
    assert reader.pages == sum(map(len, differing_pages(older, newer))) <= 8


def test_a_changed_byte_is_told_without_reading_any_content(
    repository: Repository, tmp_path: Path
) -> None:
    def never() -> ChunkReader:
        raise AssertionError("content was looked at")

    content = random.Random(2).randbytes(3 * MIB)
    (tmp_path / "tree").mkdir()
    for name in ("large", "small"):
        (tmp_path / "tree" / name).write_bytes(content if name == "large" else content[:9])
    older = store_tree(repository, tmp_path / "tree")
    (tmp_path / "tree/large").write_bytes(content[:-1] + b"!")
    (tmp_path / "tree/small").write_bytes(content[:8] + b"!")
    newer = store_tree(repository, tmp_path / "tree")
    pages = page_reader(repository.store)
    found = list(diff(older, newer, pages, never, Silence()))
    assert [(each.path, each.aspects[0]) for each in found] == [
        (b"large", "content"),
        (b"small", "content"),
    ]


def test_an_awkward_tree_against_nothing_names_every_entry_once(
    repository: Repository, tmp_path: Path
) -> None:
    (tmp_path / "tree").mkdir()
    older = store_tree(repository, tmp_path / "tree")
    awkward.build(tmp_path / "tree")
    newer = store_tree(repository, tmp_path / "tree")
    for one, other, kind in ((older, newer, "added"), (newer, older, "removed")):
        found = changes(repository, one, other)
        paths = [each.path for each in found if each.kind == kind]
        assert len(paths) == len(set(paths)) == newer.entry_count - 1
    shutil.rmtree(tmp_path / "tree")


def test_a_layout_changes_by_its_disks_and_not_by_how_full_they_are(
    repository: Repository,
) -> None:
    def layout(used_bytes: int, uuid: str) -> DiskLayout:
        root = FileSystem(kind="ext4", uuid=uuid, mount_point="/", used_bytes=used_bytes)
        partition = Partition(number=1, start_bytes=1, size_bytes=2, type_code="83", content=root)
        disk = Disk(
            device="/dev/sda", size_bytes=9, table="mbr", table_id="0x1", partitions=(partition,)
        )
        boot = Boot(firmware="bios", loader="grub", kernel_release="6.1")
        return DiskLayout(disks=(disk,), boot=boot)

    manifest = store_entries(repository, ())
    one, fuller, other = (
        msgspec.structs.replace(manifest, layout=layout(used, uuid))
        for used, uuid in ((1, "d0"), (2, "d0"), (1, "d1"))
    )
    assert not is_layout_changed(one, fuller)
    assert is_layout_changed(one, other)
