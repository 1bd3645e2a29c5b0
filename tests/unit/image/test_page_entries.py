"""Parts of a generation are read by their pages, and checked like the whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.entry import Directory, Entry, Fifo, sort_key
from haoscar_pxe.image.pack import Kind
from haoscar_pxe.image.page_entries import page_entries, page_reader, subtree
from haoscar_pxe.image.reader import ChunkMissingError, ChunkReader, entries
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.store import packs_of_kind
from tests.unit.image.counting_reader import CountingReader
from tests.unit.image.generations import META, store_entries


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "repository")


def folders(count: int, files: int) -> list[Entry]:
    """Folders d000, d000-x … with that many entries in each."""
    made: list[Entry] = []
    for number in range(count):
        for name in (b"d%03d" % number, b"d%03d-x" % number):
            made += [
                Directory(name, META),
                *(Fifo(b"%s/%04d" % (name, n), META) for n in range(files)),
            ]
    return sorted(made, key=lambda entry: sort_key(entry.path))


def test_a_subtree_is_its_folder_and_all_below_and_nothing_beside(repository: Repository) -> None:
    manifest = store_entries(repository, folders(30, 200))
    reader = CountingReader(repository.store)
    found = [entry.path for entry in subtree(manifest, reader, b"d017")]
    assert found == [b"d017", *(b"d017/%04d" % number for number in range(200))]
    assert reader.pages <= 3 < len(manifest.pages)


def test_the_subtree_of_the_root_is_everything(repository: Repository) -> None:
    manifest = store_entries(repository, folders(3, 300))
    chunks = ChunkReader(repository.store)
    assert list(subtree(manifest, chunks, b"")) == list(entries(manifest, chunks))


@pytest.mark.parametrize("path", [b"nowhere", b"d000/0000/x", b"\xff", b"d0"])
def test_a_subtree_that_is_not_there_is_empty(repository: Repository, path: bytes) -> None:
    manifest = store_entries(repository, folders(1, 1))
    assert list(subtree(manifest, ChunkReader(repository.store), path)) == []


def test_pages_out_of_order_are_refused(repository: Repository) -> None:
    manifest = store_entries(repository, folders(3, 700))
    pages = manifest.pages[::-1]
    assert len(pages) > 1
    with pytest.raises(IntegrityError, match="not in order"):
        list(page_entries(pages, ChunkReader(repository.store)))


def test_a_reader_of_pages_does_not_read_indexes_of_content(repository: Repository) -> None:
    content = b"content" * 99
    manifest = store_entries(repository, folders(1, 1), chunks=[content])
    (pages,) = packs_of_kind(repository.store, Kind.META)
    (data,) = packs_of_kind(repository.store, Kind.DATA)
    path = repository.store.pack_path(data)
    path.write_bytes(path.read_bytes()[:16])  # nothing but its header is left
    reader = page_reader(repository.store)
    assert len(list(page_entries(manifest.pages, reader))) == manifest.entry_count
    assert reader.pack_of(manifest.pages[0].chunk_id) == pages
    with pytest.raises(ChunkMissingError):
        reader.chunk(bytes(32))


def test_a_pack_with_a_damaged_beginning_may_be_of_any_kind(repository: Repository) -> None:
    manifest = store_entries(repository, folders(1, 1))
    (pack,) = repository.store.pack_ids()
    path = repository.store.pack_path(pack)
    path.write_bytes(b"X" + path.read_bytes()[1:])
    for kind in (Kind.DATA, Kind.META):
        assert packs_of_kind(repository.store, kind) == [pack]
    assert list(page_entries(manifest.pages, page_reader(repository.store)))
