"""Reading files, links and entries back, and refusing trees that cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from blake3 import blake3

from haoscar_pxe.errors import IntegrityError, RepositoryError
from haoscar_pxe.image.compression import Compressor
from haoscar_pxe.image.entry import (
    Directory,
    Entry,
    Extent,
    Fifo,
    File,
    HardLink,
    Metadata,
    Symlink,
)
from haoscar_pxe.image.manifest import Manifest, PageRef
from haoscar_pxe.image.pack import Kind
from haoscar_pxe.image.pack_writer import PackWriter
from haoscar_pxe.image.page import PageCutter
from haoscar_pxe.image.reader import (
    WINDOW_BYTES,
    ChunkMissingError,
    ChunkReader,
    entries,
    find,
    packs_of,
    read_file,
    resolve,
)
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.store import FolderStore
from haoscar_pxe.image.tree import MalformedTreeError
from tests.unit.image.tree_reading import KEY, RECORD

META = Metadata(0o644, 0, 0, 0)


@pytest.fixture(scope="module")
def generation(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, ChunkReader]:
    """A small image with links of all kinds, and enough files for several pages."""
    repository = Repository.create(tmp_path_factory.mktemp("repository"))
    with repository.writer("primary") as writer:

        def file(path: bytes, *parts: tuple[int, bytes], size: int = 0) -> File:
            extents = tuple(Extent(at, len(data), writer.add_chunk(data)) for at, data in parts)
            end = parts[-1][0] + len(parts[-1][1]) if parts else 0
            return File(path, META, size or end, extents)

        listed: list[Entry] = [
            Directory(b"", META),
            Symlink(b"bin", META, b"usr/bin"),
            Directory(b"etc", META),
            file(b"etc/hosts", (0, b"127.0.0.1 localhost\n")),
            Symlink(b"etc/mtab", META, b"/proc/self/mounts"),
            Symlink(b"etc/outside", META, b"../../../../etc/hosts"),
            Symlink(b"loop-a", META, b"loop-b"),
            Symlink(b"loop-b", META, b"loop-a"),
            file(b"sparse", (5, b"middle"), size=20),
            Directory(b"usr", META),
            Directory(b"usr/bin", META),
            file(b"usr/bin/sh", (0, b"#!elf")),
            *(file(b"usr/bin/z%05d" % n, (0, b"%d" % n)) for n in range(3000)),
            HardLink(b"zz", b"usr/bin/sh"),
            Symlink(b"zz-absolute", META, b"/bin/sh"),
        ]
        for entry in listed:
            writer.add_entry(entry)
        manifest = writer.commit(RECORD, KEY)
    return manifest, ChunkReader(repository.store)


def test_every_entry_is_found_and_nothing_else(
    generation: tuple[Manifest, ChunkReader],
) -> None:
    for entry in entries(*generation):
        assert find(*generation, entry.path) == entry
    for path in (b"a", b"etc/", b"etc/host", b"etc/hosts/x", b"zzz", b"usr/bin/z00001x", b"\xff"):
        assert find(*generation, path) is None


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        (b"etc/hosts", b"etc/hosts"),
        (b"bin/sh", b"usr/bin/sh"),
        (b"zz", b"usr/bin/sh"),
        (b"zz-absolute", b"usr/bin/sh"),
        (b"etc/outside", b"etc/hosts"),
        (b"bin/../etc/./hosts", None),
        (b"etc/../bin/sh", b"usr/bin/sh"),
        (b"etc/mtab", None),
        (b"loop-a", None),
        (b"etc/hosts/x", None),
        (b"bin", b"usr/bin"),
        (b"", b""),
    ],
)
def test_paths_resolve_inside_the_image(
    path: bytes, leads_to: bytes | None, generation: tuple[Manifest, ChunkReader]
) -> None:
    """bin is a symlink to usr/bin, so bin/.. is usr, as for the kernel."""
    found = resolve(*generation, path)
    assert (found.path if found else None) == leads_to


def test_files_are_read_through_links_and_with_their_holes(
    generation: tuple[Manifest, ChunkReader],
) -> None:
    assert read_file(*generation, b"zz-absolute") == b"#!elf"
    assert read_file(*generation, b"sparse") == b"\0" * 5 + b"middle" + b"\0" * 9
    for path in (b"etc", b"loop-a", b"nowhere"):
        with pytest.raises(RepositoryError, match="not a file"):
            read_file(*generation, path)


def test_the_packs_of_a_generation_are_enough_to_read_it(
    generation: tuple[Manifest, ChunkReader],
) -> None:
    manifest, chunks = generation
    needed = packs_of(manifest, chunks)
    alone = ChunkReader(chunks.store, needed)
    assert list(entries(manifest, alone)) == list(entries(manifest, chunks))
    assert read_file(manifest, alone, b"usr/bin/z02999") == b"2999"
    with pytest.raises(ChunkMissingError, match="is not in FolderStore"):
        read_file(manifest, ChunkReader(chunks.store, []), b"etc/hosts")


def test_chunks_across_windows_come_back_in_little_memory(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "packs")
    store.path.mkdir()
    writer = PackWriter(tmp_path, Kind.DATA)
    pieces = [blake3(b"%d" % number).digest(3_000_000) for number in range(8)]
    for piece in pieces:
        writer.add(blake3(piece).digest(), piece)
    writer.close()
    writer.publish(store)
    reader = ChunkReader(store, memory_bytes=2 * WINDOW_BYTES)
    for piece in pieces + pieces[::-1]:
        assert reader.chunk(blake3(piece).digest()) == piece


def hostile(tmp_path: Path, pages: Sequence[Sequence[Entry]]) -> tuple[Manifest, ChunkReader]:
    """A manifest by a holder of the key who does not use our writer."""
    store = FolderStore(tmp_path / "packs")
    store.path.mkdir()
    writer = PackWriter(tmp_path, Kind.META)
    refs = []
    for page in pages:
        cutter = PageCutter()
        for entry in page:
            cutter.add(entry)
        encoded = cutter.take()
        refs.append(PageRef(page[0].path, blake3(encoded).digest(), len(page)))
        writer.add(refs[-1].chunk_id, encoded)
    writer.close()
    writer.publish(store)
    manifest = Manifest(
        created_ns=0,
        host_name="",
        consistency="tree",
        layout=RECORD.layout,
        format=1,
        image="primary",
        generation=1,
        parent="",
        tool_version="",
        entry_count=sum(map(len, pages)),
        logical_bytes=0,
        stored_bytes=0,
        packed_bytes=0,
        sealed_files=0,
        sealing_keys=(),
        pages=tuple(refs),
        id="",
        signed_by="",
    )
    return manifest, ChunkReader(store)


ROOT = Directory(b"", META)


@pytest.mark.parametrize(
    "pages",
    [
        [[ROOT, Fifo(b"../etc", META)]],
        [[ROOT, Symlink(b"a", META, b"/etc"), Fifo(b"a/passwd", META)]],
        [[ROOT, Fifo(b"b", META)], [Fifo(b"a", META)]],
        [[ROOT, Fifo(b"b", META)], [Fifo(b"b", META)]],
        [[ROOT, HardLink(b"b", b"a")]],
        [[ROOT, Directory(b"a", META), HardLink(b"b", b"a")]],
        [[ROOT, Fifo(b"a", META), HardLink(b"b", b"a"), HardLink(b"c", b"b")]],
    ],
)
def test_hostile_trees_are_refused(pages: list[list[Entry]], tmp_path: Path) -> None:
    manifest, chunks = hostile(tmp_path, pages)
    with pytest.raises(MalformedTreeError):
        list(entries(manifest, chunks))


def test_a_page_that_is_not_what_its_manifest_says_is_refused(tmp_path: Path) -> None:
    manifest, chunks = hostile(tmp_path, [[ROOT, Fifo(b"a", META)]])
    for wrong in (PageRef(b"x", manifest.pages[0].chunk_id, 2), PageRef(b"", b"\1" * 32, 2)):
        with pytest.raises(IntegrityError):
            chunks.page(wrong)


def test_a_chunk_of_another_size_than_its_extent_is_refused(tmp_path: Path) -> None:
    [(encoding, _)] = Compressor().store_all([b"abc"])
    assert encoding == 0
    writer = PackWriter(tmp_path, Kind.DATA)
    writer.add(blake3(b"abc").digest(), b"abc")
    writer.close()
    wrong = File(b"f", META, 4, (Extent(0, 4, blake3(b"abc").digest()),))
    manifest, _ = hostile(tmp_path, [[ROOT, wrong]])
    store = FolderStore(tmp_path / "packs")
    writer.publish(store)
    with pytest.raises(MalformedTreeError, match="has 3 bytes, not 4"):
        read_file(manifest, ChunkReader(store), b"f")
