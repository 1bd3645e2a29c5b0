"""What is exported is what was captured: other people's programs lay it down, compare looks."""

from __future__ import annotations

import random
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from haoscar_pxe.errors import CommandError, IntegrityError, MissingToolError
from haoscar_pxe.image.compare import Difference, compare
from haoscar_pxe.image.entry import Socket
from haoscar_pxe.image.export import export_tar
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader, entries
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.squashfs import export_squashfs
from tests.needed import need
from tests.unit.image import awkward
from tests.unit.image.tree_reading import store_tree

KIB = 1 << 10


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Manifest, ChunkReader]:
    """The awkward tree less its path that is too long for other programs."""
    root = tmp_path / "tree"
    root.mkdir()
    awkward.build(root, deep=False)
    return store(tmp_path, root)


def store(tmp_path: Path, root: Path) -> tuple[Manifest, ChunkReader]:
    repository = Repository.create(tmp_path / "repository")
    return store_tree(repository, root), ChunkReader(repository.store)


def add_links(root: Path) -> None:
    """Links whose targets ustar cannot hold: long, not ASCII, not UTF-8."""
    (root / "long").symlink_to("/" + "y" * 150)
    (root / "long-ü").symlink_to("/ü" + "x" * 200)
    (root / "raw").symlink_to("/\udcff")
    (root / ("n" * 120)).write_text("a long name")
    (root / "hard-ü").hardlink_to(root / ("n" * 120))


def to_tar(stored: tuple[Manifest, ChunkReader], file: Path, *, squash: bool = False) -> None:
    with file.open("wb") as output:
        left_out = export_tar(*stored, output.write, Silence(), for_mksquashfs=squash)
    assert left_out == tuple(e.path for e in entries(*stored) if isinstance(e, Socket))


def differences(
    stored: tuple[Manifest, ChunkReader], folder: Path, argv: Sequence[str]
) -> list[Difference]:
    """Of the tree that the program laid down, but for the sockets that no archive holds."""
    folder.mkdir(exist_ok=True)
    subprocess.run([*argv, "-C", str(folder)], check=True, capture_output=True)
    return without_sockets(compare(entries(*stored), folder, Silence()))


def without_sockets(found: list[Difference]) -> list[Difference]:
    return [each for each in found if each.expected != "Socket"]


GNU_TAR = ("tar", "--xattrs", "--xattrs-include=*", "--same-owner", "--numeric-owner", "-xpf")


def test_gnu_tar_takes_all_of_it_back(tmp_path: Path, stored: tuple[Manifest, ChunkReader]) -> None:
    """Owners, devices, capabilities, ACLs, holes, hard links, nanoseconds, odd names."""
    need("tar")
    to_tar(stored, tmp_path / "tree.tar")
    assert differences(stored, tmp_path / "gnu", (*GNU_TAR, str(tmp_path / "tree.tar"))) == []


def test_links_that_ustar_cannot_hold_lead_where_they_did(tmp_path: Path) -> None:
    need("tar")
    (tmp_path / "tree").mkdir()
    add_links(tmp_path / "tree")
    stored = store(tmp_path, tmp_path / "tree")
    for squash in (False, True):
        file = tmp_path / f"{squash}.tar"
        to_tar(stored, file, squash=squash)
        assert differences(stored, tmp_path / str(squash), (*GNU_TAR, str(file))) == []


def test_bsdtar_loses_only_what_it_cannot_do(
    tmp_path: Path, stored: tuple[Manifest, ChunkReader]
) -> None:
    """It takes ACLs by another record, and rounds times before 1970 to the other side."""
    need("bsdtar")
    to_tar(stored, tmp_path / "tree.tar")
    argv = ("bsdtar", "--numeric-owner", "-xpf", str(tmp_path / "tree.tar"))
    found = {(each.path, each.aspect) for each in differences(stored, tmp_path / "bsd", argv)}
    assert found <= {
        (b"acl", "xattrs"),
        (b"inheriting", "xattrs"),
        (b"empty", "mtime"),
        (b"inheriting", "mtime"),
        (b"", "mtime"),
    }


def test_pythons_tarfile_reads_every_member(
    tmp_path: Path, stored: tuple[Manifest, ChunkReader]
) -> None:
    to_tar(stored, tmp_path / "tree.tar")
    manifest, _ = stored
    with tarfile.open(tmp_path / "tree.tar") as opened:
        found = {member.name.removeprefix("./"): member for member in opened.getmembers()}
        assert len(found) == manifest.entry_count - 1  # but for the socket
        assert found["small"].islnk()  # to link-b, which comes first
        assert found["small"].mode == 0o4711
        large = opened.extractfile("large")
        assert large is not None
        assert large.read() == (tmp_path / "tree/large").read_bytes()


def test_paths_of_any_length_are_told(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    awkward.build(tmp_path / "tree")
    stored = store(tmp_path, tmp_path / "tree")
    to_tar(stored, tmp_path / "tree.tar")
    with tarfile.open(tmp_path / "tree.tar", errors="surrogateescape") as opened:
        names = {name.encode("utf-8", "surrogateescape") for name in opened.getnames()}
    expected = {e.path or b"." for e in entries(*stored) if not isinstance(e, Socket)}
    assert names == expected
    assert max(map(len, names)) > 4096
    subprocess.run(["rm", "-rf", str(tmp_path / "tree")], check=True)


def test_a_damaged_chunk_ends_the_archive_without_an_end(
    tmp_path: Path, stored: tuple[Manifest, ChunkReader]
) -> None:
    for pack in (tmp_path / "repository/packs").rglob("*.pack"):
        content = bytearray(pack.read_bytes())
        if len(content) > 100 * KIB:
            content[50 * KIB] ^= 1
            pack.write_bytes(content)
    with (tmp_path / "tree.tar").open("wb") as output, pytest.raises(IntegrityError):
        export_tar(*stored, output.write, Silence())
    with pytest.raises(tarfile.ReadError), tarfile.open(tmp_path / "tree.tar") as opened:
        opened.getmembers()


def test_a_squashfs_loses_only_what_it_cannot_hold(
    tmp_path: Path, stored: tuple[Manifest, ChunkReader]
) -> None:
    need("mksquashfs", "unsquashfs")
    export_squashfs(*stored, tmp_path / "tree.squashfs", Silence())
    found = unsquashed(stored, tmp_path)
    assert {(each.path, each.aspect) for each in found if each.aspect != "mtime"} <= {
        (b"acl", "xattrs"),
        (b"inheriting", "xattrs"),
        (b"trailing-hole", "holes"),  # it keeps those of 128 KiB
    }


def test_links_of_a_squashfs_lead_where_they_did(tmp_path: Path) -> None:
    need("mksquashfs", "unsquashfs")
    (tmp_path / "tree").mkdir()
    add_links(tmp_path / "tree")
    stored = store(tmp_path, tmp_path / "tree")
    export_squashfs(*stored, tmp_path / "tree.squashfs", Silence())
    assert [each for each in unsquashed(stored, tmp_path) if each.aspect != "mtime"] == []


def test_sparse_files_of_every_shape_get_through_mksquashfs(tmp_path: Path) -> None:
    """Which maps it takes was found by trial; a hundred others must come out right."""
    need("mksquashfs", "unsquashfs")
    dice = random.Random(11)
    (tmp_path / "tree").mkdir()
    for number in range(100):
        with (tmp_path / f"tree/{number:03}").open("wb") as file:
            for _ in range(dice.randrange(0, 4)):
                file.seek(dice.randrange(0, 500 * KIB))
                file.write(dice.randbytes(dice.choice((1, 100, 4096, 9000))))
            file.truncate(dice.choice((4096, 1, 512)) * dice.randrange(1, 1000))
    stored = store(tmp_path, tmp_path / "tree")
    export_squashfs(*stored, tmp_path / "tree.squashfs", Silence())
    found = unsquashed(stored, tmp_path)
    assert [each for each in found if each.aspect not in ("mtime", "holes")] == []


def unsquashed(stored: tuple[Manifest, ChunkReader], tmp_path: Path) -> list[Difference]:
    folder = tmp_path / "unsquashed"
    argv = ["unsquashfs", "-q", "-n", "-d", str(folder), str(tmp_path / "tree.squashfs")]
    subprocess.run(argv, check=True, capture_output=True)
    return without_sockets(compare(entries(*stored), folder, Silence()))


def test_a_squashfs_that_cannot_be_written_says_what_mksquashfs_said(
    tmp_path: Path, stored: tuple[Manifest, ChunkReader]
) -> None:
    need("mksquashfs", root=False)
    with pytest.raises(CommandError, match="Could not create destination file") as caught:
        export_squashfs(*stored, tmp_path / "nowhere/tree.squashfs", Silence())
    assert caught.value.hint


def test_a_missing_mksquashfs_is_named_with_its_package(
    tmp_path: Path, stored: tuple[Manifest, ChunkReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingToolError, match="mksquashfs") as caught:
        export_squashfs(*stored, tmp_path / "tree.squashfs", Silence())
    assert "squashfs-tools" in caught.value.hint
