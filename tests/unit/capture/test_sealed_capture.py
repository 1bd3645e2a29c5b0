"""Secrets of a captured tree are sealed, whatever they look like and however often it is done."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from haoscar_pxe.capture.capture import CaptureOptions, capture
from haoscar_pxe.capture.files.secrets import Sealing, SecretRules
from haoscar_pxe.image.compare import compare
from haoscar_pxe.image.entry import AnyFile, File, HardLink, SealedFile
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader, entries, find, read_file
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.sealing import OpeningKey, OpeningKeys
from tests.unit.capture.canaries import canaries_in, plant
from tests.unit.capture.sealing import OPENING, RING, SEALING
from tests.unit.image.tree_reading import KEY

SECRET = b"munge-key-of-the-cluster"
ROTATED = OpeningKey("primary", b"\7" * 32)


class Head:
    """A tree and the repository that it is captured into."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "tree"
        (self.tree / "etc").mkdir(parents=True)
        self.repository = Repository.create(folder / "repository")

    def write(self, path: str, content: bytes) -> Path:
        file = self.tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def take(self, sealing: Sealing = SEALING, *, full: bool = False) -> Manifest:
        options = CaptureOptions(self.tree, "primary", sealing, full=full)
        return capture(options, self.repository, KEY, Silence()).manifest

    def entry(self, manifest: Manifest, path: bytes) -> AnyFile | HardLink:
        found = find(manifest, self.reader(), path)
        assert isinstance(found, AnyFile | HardLink)
        return found

    def reader(self, ring: OpeningKeys = RING) -> ChunkReader:
        return ChunkReader(self.repository.store, opening=ring)

    def is_same(self, manifest: Manifest, ring: OpeningKeys = RING) -> bool:
        chunks = self.reader(ring)
        return not compare(entries(manifest, chunks), self.tree, Silence(), boxes=chunks)


@pytest.fixture
def head(tmp_path: Path) -> Head:
    return Head(tmp_path)


def age(head: Head) -> None:
    """Let everything be older than what a capture cannot trust (`statuses.RACY_NS`)."""
    old = 1_600_000_000
    for path in head.tree.rglob("*"):
        os.utime(path, (old, old), follow_symlinks=False)


def test_no_canary_of_any_kind_of_secret_is_in_the_repository(head: Head) -> None:
    """Nor in the caches and locks beside it; each opens with the key."""
    planted = plant(head.tree)
    manifest = head.take()
    assert canaries_in(head.repository.path, planted) == []
    assert manifest.sealed_files == len(planted)
    for path, canary in planted.items():
        assert isinstance(head.entry(manifest, path), SealedFile)
        assert canary in read_file(manifest, head.reader(), path)
    assert head.is_same(manifest)


def test_canaries_would_be_found(head: Head) -> None:
    """The search finds what is stored in the open, compressed or not."""
    planted = plant(head.tree)
    head.take(Sealing(OPENING.public, SecretRules(remove=("**",))))
    assert len(canaries_in(head.repository.path, planted)) == len(planted)


def test_secret_is_sealed_whatever_its_first_name(head: Head) -> None:
    """`a` comes before `etc/shadow` in the walk; content alone would not show what it is."""
    os.link(head.write("etc/shadow", SECRET), head.tree / "a")
    head.write("b", b"public")
    os.link(head.tree / "b", head.tree / "c")
    manifest = head.take()
    assert isinstance(head.entry(manifest, b"a"), SealedFile)
    assert head.entry(manifest, b"etc/shadow") == HardLink(b"etc/shadow", b"a")
    assert isinstance(head.entry(manifest, b"b"), File)
    assert canaries_in(head.repository.path, {b"a": SECRET}) == []


def test_link_to_a_known_file_makes_it_a_secret(head: Head) -> None:
    head.write("a", SECRET)
    head.write("other", b"")
    head.take()
    os.link(head.tree / "a", head.tree / "etc/shadow")
    manifest = head.take()
    assert isinstance(head.entry(manifest, b"a"), SealedFile)


def test_renamed_secret_is_sealed_under_its_new_name(head: Head) -> None:
    key = head.write("root/.ssh/id_rsa", b"-----BEGIN RSA PRIVATE KEY-----\nMIIE" + SECRET)
    shadow = head.write("etc/shadow", b"root:$6$" + SECRET + b"$abcdefgh:1::::::\n")
    head.take()
    key.rename(head.tree / "old")
    shadow.rename(head.tree / "etc/backup-of-users")
    manifest = head.take()
    assert isinstance(head.entry(manifest, b"old"), SealedFile)
    assert isinstance(head.entry(manifest, b"etc/backup-of-users"), SealedFile)
    assert canaries_in(head.repository.path, {b"old": SECRET}) == []


def test_large_secret_with_holes_is_sealed_in_even_pieces(head: Head) -> None:
    content = os.urandom(300_000) + SECRET + bytes(2_500_000) + SECRET
    path = head.write("etc/krb5.keytab", content)
    with path.open("r+b") as file:
        file.truncate(16 << 20)
        file.seek(12 << 20)
        file.write(SECRET)
    manifest = head.take()
    entry = head.entry(manifest, b"etc/krb5.keytab")
    assert isinstance(entry, SealedFile)
    assert {each.offset_bytes % (1 << 20) for each in entry.extents} == {0}
    assert entry.size_bytes == 16 << 20
    assert sum(each.size_bytes for each in entry.extents) < 4 << 20
    assert canaries_in(head.repository.path, {b"x": SECRET}) == []
    assert head.is_same(manifest)


def test_small_file_with_a_key_behind_a_hole_is_sealed(head: Head) -> None:
    with head.write("srv", b"text").open("r+b") as file:
        file.seek(512 << 10)
        file.write(b"-----BEGIN PRIVATE KEY-----\nMIIE" + SECRET)
    manifest = head.take()
    assert isinstance(head.entry(manifest, b"srv"), SealedFile)
    assert canaries_in(head.repository.path, {b"x": SECRET}) == []
    assert head.is_same(manifest)


def test_empty_secret_is_sealed_too(head: Head) -> None:
    head.write("etc/shadow", b"")
    manifest = head.take()
    assert isinstance(head.entry(manifest, b"etc/shadow"), SealedFile)
    assert head.is_same(manifest)


def test_unchanged_secret_is_taken_over_and_not_sealed_anew(head: Head) -> None:
    head.write("etc/shadow", SECRET)
    first = head.take()
    wait_until_trusted(head)
    second = head.take()
    third = head.take()
    assert second.pages == third.pages
    assert third.packed_bytes == 0
    full = head.take(full=True)
    assert head.entry(first, b"etc/shadow") != head.entry(full, b"etc/shadow")
    assert head.is_same(full)


def wait_until_trusted(head: Head) -> None:
    """A change time of less than a second ago is not trusted, and cannot be set."""
    import time

    newest = max(path.lstat().st_ctime for path in head.tree.rglob("*"))
    time.sleep(max(0.0, newest + 1.1 - time.time()))


def test_rotated_key_seals_everything_anew(head: Head) -> None:
    head.write("etc/shadow", SECRET)
    head.write("plain", b"plain")
    wait_until_trusted(head)
    before = head.take()
    after = head.take(Sealing(ROTATED.public, SecretRules()))
    assert after.sealing_keys == (ROTATED.public.key_id,)
    assert head.is_same(after, OpeningKeys.of(ROTATED))
    assert head.is_same(before)
    assert head.entry(before, b"plain") == head.entry(after, b"plain")


def test_other_rules_are_obeyed_for_files_that_did_not_change(head: Head) -> None:
    head.write("srv/plain", SECRET)
    wait_until_trusted(head)
    assert head.take().sealed_files == 0
    assert head.take(Sealing(OPENING.public, SecretRules(add=("/srv/plain",)))).sealed_files == 1
    assert head.take().sealed_files == 0
