"""Listing one folder of a generation."""

from __future__ import annotations

import pytest

from haoscar_pxe.image.entry import Directory, Fifo, Metadata, sort_key
from haoscar_pxe.image.folder import children
from haoscar_pxe.image.layout import Boot, DiskLayout
from haoscar_pxe.image.manifest import Manifest, Record
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import SigningKey

META = Metadata(0o755, 0, 0, 0)
LAYOUT = DiskLayout(disks=(), boot=Boot(firmware="bios", loader="none", kernel_release=""))
FOLDERS = [b"", b"a", b"a/deep", b"a-b", b"many", b"empty", b"\x01low"]
FILES = [b"a/x", b"a/deep/y", b"a/deep.z", b"a\x01", *(b"many/%05d" % n for n in range(3000))]


@pytest.fixture(scope="module")
def generation(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, ChunkReader]:
    repository = Repository.create(tmp_path_factory.mktemp("repository"))
    made: list[Directory | Fifo] = [Directory(path, META) for path in FOLDERS]
    made += [Fifo(path, META) for path in FILES]
    record = Record(created_ns=0, host_name="head", consistency="tree", layout=LAYOUT)
    with repository.writer("primary") as writer:
        for entry in sorted(made, key=lambda each: sort_key(each.path)):
            writer.add_entry(entry)
        manifest = writer.commit(record, SigningKey.generate())
    return manifest, ChunkReader(repository.store)


@pytest.mark.parametrize("folder", [*FOLDERS, b"nowhere", b"a/x", b"man"])
def test_a_folder_lists_its_own_names_and_nothing_deeper(
    folder: bytes, generation: tuple[Manifest, ChunkReader]
) -> None:
    manifest, chunks = generation
    expected = sorted(
        (path for path in [*FOLDERS, *FILES] if path and path.rpartition(b"/")[0] == folder),
        key=sort_key,
    )
    assert [entry.path for entry in children(manifest, chunks, folder)] == expected


def test_the_tree_of_the_test_has_more_than_one_page(
    generation: tuple[Manifest, ChunkReader],
) -> None:
    assert len(generation[0].pages) > 2
