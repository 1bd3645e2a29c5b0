"""Sealed files through the whole room: written, read, restored, compared, verified, pruned."""

from __future__ import annotations

import io
import tarfile
from functools import cache
from pathlib import Path

import msgspec
import pytest

from haoscar_pxe.errors import IntegrityError, SealedError
from haoscar_pxe.image.closed import WithoutSealed
from haoscar_pxe.image.compare import compare
from haoscar_pxe.image.diff import Change, diff
from haoscar_pxe.image.entry import Entry, Extent, SealedFile
from haoscar_pxe.image.export import export_tar
from haoscar_pxe.image.file_content import stream
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.pack import Kind
from haoscar_pxe.image.page_entries import page_reader
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader, entries, find, packs_of, read_file
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.restore import restore
from haoscar_pxe.image.sealing import NO_KEYS, OpeningKey, OpeningKeys
from haoscar_pxe.image.store import packs_of_kind
from haoscar_pxe.image.tree import MalformedTreeError
from haoscar_pxe.image.verify import verify_generation, verify_repository
from tests.unit.image.awkward import needs_root
from tests.unit.image.generations import META, ROOT, TRUSTED
from tests.unit.image.pruning import is_sound, prune_now
from tests.unit.image.sealed import CANARY, OPENING, RING, a_secret, store_secrets
from tests.unit.image.tree_reading import KEY, RECORD

ROTATED = OpeningKey("primary", b"\7" * 32)
SECRETS = (b"shadow", b"shadow-", b"sparse")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "repository")


def reader(repository: Repository, opening: OpeningKeys = RING) -> ChunkReader:
    return ChunkReader(repository.store, opening=opening)


def restored(repository: Repository, manifest: Manifest, target: Path) -> Path:
    chunks = reader(repository)
    restore(entries(manifest, chunks), chunks, target, Silence())
    return target


def found_by(
    tree: Path, repository: Repository, manifest: Manifest, ring: OpeningKeys
) -> list[str]:
    chunks = reader(repository, ring)
    differences = compare(entries(manifest, chunks), tree, Silence(), boxes=chunks)
    return [f"{each.path.decode()} {each.aspect}" for each in differences]


def changes(
    repository: Repository, one: Manifest, two: Manifest, ring: OpeningKeys
) -> list[Change]:
    contents = cache(lambda: reader(repository, ring))
    return list(diff(one, two, page_reader(repository.store), contents, Silence()))


def test_secret_is_read_with_its_key_only(repository: Repository) -> None:
    manifest = store_secrets(repository)
    assert read_file(manifest, reader(repository), b"shadow-") == CANARY
    with pytest.raises(SealedError, match=r"shadow.* is sealed, and the opening key"):
        read_file(manifest, reader(repository, NO_KEYS), b"shadow")
    entry = find(manifest, reader(repository), b"sparse")
    assert isinstance(entry, SealedFile)
    assert b"".join(stream(entry, reader(repository))) == bytes(1 << 20) + CANARY * 9000


def test_manifest_says_how_many_are_sealed_by_which_keys(repository: Repository) -> None:
    manifest = store_secrets(repository)
    assert (manifest.sealed_files, manifest.sealing_keys) == (2, (OPENING.public.key_id,))
    assert manifest.stored_bytes == len(b"in the open") + len(CANARY) * 9001


def test_boxes_lie_in_packs_of_their_own(repository: Repository) -> None:
    store_secrets(repository)
    counts = [len(packs_of_kind(repository.store, kind)) for kind in Kind]
    assert counts == [1, 1, 1]
    everything = b"".join(path.read_bytes() for path in repository.path.rglob("*.pack"))
    assert CANARY[:8] not in everything


def test_entry_without_its_key_in_the_manifest_is_refused(repository: Repository) -> None:
    manifest = store_secrets(repository)
    forged = msgspec.structs.replace(manifest, sealing_keys=(bytes(32),))
    with pytest.raises(MalformedTreeError, match="does not name its sealing key"):
        list(entries(forged, reader(repository)))


@pytest.mark.parametrize(
    "entry",
    [
        SealedFile(b"f", META, 5, bytes(31)),
        SealedFile(b"f", META, 5, bytes(32), (Extent(0, 6, bytes(32)),)),
        SealedFile(b"f", META, 1 << 40, bytes(32), (Extent(0, 32 << 20, bytes(32)),)),
    ],
)
def test_impossible_sealed_file_is_refused(repository: Repository, entry: Entry) -> None:
    with repository.writer("primary") as writer:
        writer.add_entry(ROOT)
        with pytest.raises(MalformedTreeError):
            writer.add_entry(entry)


def test_writer_refuses_a_box_of_another_size(repository: Repository) -> None:
    with repository.writer("primary") as writer:
        writer.add_entry(ROOT)
        box_id = writer.add_box(OPENING.public.seal(b"12345"))
        entry = SealedFile(b"f", META, 4, OPENING.public.key_id, (Extent(0, 4, box_id),))
        with pytest.raises(MalformedTreeError, match="another size"):
            writer.add_entry(entry)


@needs_root
def test_restored_tree_is_the_same_and_without_key_named_closed(
    repository: Repository, tmp_path: Path
) -> None:
    manifest = store_secrets(repository)
    tree = restored(repository, manifest, tmp_path / "tree")
    assert (tree / "shadow-").read_bytes() == CANARY
    assert (tree / "shadow").stat().st_nlink == 2
    assert found_by(tree, repository, manifest, RING) == []
    closed = ["shadow closed", "sparse closed"]
    assert found_by(tree, repository, manifest, NO_KEYS) == closed
    assert [each.aspect for each in compare(entries(manifest, reader(repository)), tree, Silence())]


@needs_root
def test_changed_secret_of_a_tree_is_found_with_the_key_and_by_its_size_without(
    repository: Repository, tmp_path: Path
) -> None:
    manifest = store_secrets(repository)
    tree = restored(repository, manifest, tmp_path / "tree")
    (tree / "shadow").write_bytes(CANARY[::-1])
    assert "shadow content" in found_by(tree, repository, manifest, RING)
    (tree / "shadow").write_bytes(b"short")
    assert "shadow content" in found_by(tree, repository, manifest, NO_KEYS)


@needs_root
def test_restore_without_key_ends_and_without_secrets_names_them(
    repository: Repository, tmp_path: Path
) -> None:
    manifest = store_secrets(repository)
    chunks = reader(repository, NO_KEYS)
    with pytest.raises(SealedError):
        restore(entries(manifest, chunks), chunks, tmp_path / "one", Silence())
    public = WithoutSealed(entries(manifest, chunks))
    restore(public, chunks, tmp_path / "two", Silence())
    assert tuple(public.left_out) == SECRETS
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["plain"]


def test_archive_holds_secrets_with_the_key_and_none_without(repository: Repository) -> None:
    manifest = store_secrets(repository)
    whole, public = io.BytesIO(), io.BytesIO()
    export_tar(manifest, reader(repository), whole.write, Silence())
    closed = reader(repository, NO_KEYS)
    source = WithoutSealed(entries(manifest, closed))
    export_tar(manifest, closed, public.write, Silence(), source=source)
    assert b"canary" in whole.getvalue()
    assert b"canary" not in public.getvalue()
    public.seek(0)
    with tarfile.open(fileobj=public) as archive:
        assert archive.getnames() == [".", "plain"]
    with pytest.raises(SealedError):
        export_tar(manifest, closed, io.BytesIO().write, Silence())


def test_file_that_was_only_sealed_anew_is_no_change(repository: Repository) -> None:
    one, two = store_secrets(repository), store_secrets(repository, key=ROTATED)
    both = OpeningKeys.of(OPENING, ROTATED)
    assert changes(repository, one, two, both) == []
    without = changes(repository, one, two, RING)
    assert [(each.path, each.aspects) for each in without] == [
        (b"shadow", ("closed",)),
        (b"sparse", ("closed",)),
    ]


def test_changed_secret_is_a_change_of_content(repository: Repository) -> None:
    one, two = store_secrets(repository), store_secrets(repository, secret=CANARY[::-1])
    found = changes(repository, one, two, RING)
    assert {each.path: each.aspects for each in found}[b"shadow"] == ("content",)


def test_verify_needs_no_key_and_finds_damage(repository: Repository) -> None:
    manifest = store_secrets(repository)
    assert verify_repository(repository, TRUSTED, Silence()).is_good
    assert verify_generation(repository, "primary", None, TRUSTED, Silence()).packs == 3
    (pack_id,) = packs_of_kind(repository.store, Kind.SEALED)
    path = repository.store.pack_path(pack_id)
    damaged = bytearray(path.read_bytes())
    damaged[40] ^= 1
    path.write_bytes(damaged)
    report = verify_repository(repository, TRUSTED, Silence())
    assert any("shadow" in problem.reason for problem in report.problems)
    with pytest.raises(IntegrityError):
        list(stream(find_sealed(manifest, repository), reader(repository)))


def find_sealed(manifest: Manifest, repository: Repository) -> SealedFile:
    entry = find(manifest, reader(repository), b"shadow")
    assert isinstance(entry, SealedFile)
    return entry


def test_prune_keeps_and_rewrites_sealed_packs(repository: Repository) -> None:
    """What stays is the smaller half of its pack, so the pack is written anew, as sealed."""
    with repository.writer("primary") as writer:
        kept = a_secret(writer, b"kept", CANARY)
        for entry in (ROOT, a_secret(writer, b"gone", CANARY * 5000), kept):
            writer.add_entry(entry)
        writer.commit(RECORD, KEY)
    with repository.writer("primary") as writer:
        for entry in (ROOT, kept):
            writer.add_entry(entry)
        manifest = writer.commit(RECORD, KEY)
    before = packs_of_kind(repository.store, Kind.SEALED)
    prune_now(repository)
    after = packs_of_kind(repository.store, Kind.SEALED)
    assert len(after) == 1
    assert after != before
    assert set(after) <= set(packs_of(manifest, reader(repository)))
    assert read_file(manifest, reader(repository), b"kept") == CANARY
    assert is_sound(repository)
