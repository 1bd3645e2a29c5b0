"""Boot artifacts: made once for what they are made from, and never changed afterwards."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from haoscar_pxe.boot.artifacts import BootArtifacts, prepare
from haoscar_pxe.boot.bundle import Bundle, build_bundle
from haoscar_pxe.boot.bundle_contents import Source
from haoscar_pxe.boot.image_files import ImageFiles
from haoscar_pxe.errors import BootError
from haoscar_pxe.image.signing import SigningKey, TrustedKeys
from tests.unit.boot.kernel_tree import RELEASE, kernel_tree, manifest

TRUSTED = TrustedKeys.of(SigningKey.generate().public)


@dataclass(frozen=True, slots=True)
class Watched:
    """ImageFiles that note what is read."""

    files: ImageFiles
    was_read: list[bytes] = field(default_factory=list)

    def read(self, path: bytes) -> bytes | None:
        self.was_read.append(path)
        return self.files.read(path)

    def is_regular(self, path: bytes) -> bool:
        return self.files.is_regular(path)

    def names(self, folder: bytes) -> list[bytes]:
        return self.files.names(folder)


def bundle_of(folder: Path, text: str = "#!/bin/busybox sh\n") -> Bundle:
    folder.mkdir(exist_ok=True)
    (folder / "init").write_text(text)
    return build_bundle(folder / "bundles", [Source("init", folder / "init")])


@pytest.fixture
def files(tmp_path: Path) -> Watched:
    return Watched(kernel_tree(tmp_path / "tree"))


def made(tmp_path: Path, files: ImageFiles, name: str = "one") -> BootArtifacts:
    bundle = bundle_of(tmp_path / "agent")
    return prepare(manifest(name), files, bundle, tmp_path / "cache", TRUSTED)


def test_the_kernel_is_the_images_own(tmp_path: Path, files: Watched) -> None:
    artifacts = made(tmp_path, files)
    assert artifacts.kernel.read_bytes() == b"the kernel"
    assert artifacts.kernel_release == RELEASE


def test_the_second_time_nothing_is_read_of_the_image(tmp_path: Path, files: Watched) -> None:
    first = made(tmp_path, files)
    files.was_read.clear()
    assert made(tmp_path, files) == first
    assert files.was_read == []


def test_generations_with_the_same_kernel_share_them(tmp_path: Path, files: Watched) -> None:
    assert made(tmp_path, files, "one") == made(tmp_path, files, "two")


def test_another_kernel_bundle_or_key_makes_others_and_keeps_the_old(tmp_path: Path) -> None:
    files = kernel_tree(tmp_path / "tree")
    bundle = bundle_of(tmp_path / "agent")
    cache = tmp_path / "cache"
    other_bundle = bundle_of(tmp_path / "other", "#!/bin/busybox sh\n# newer\n")
    other_keys = TrustedKeys.of(SigningKey.generate().public)
    all_made = [
        prepare(manifest("one"), files, bundle, cache, TRUSTED),
        prepare(manifest("one"), files, other_bundle, cache, TRUSTED),
        prepare(manifest("one"), files, bundle, cache, other_keys),
    ]
    (tmp_path / "tree/boot" / f"vmlinuz-{RELEASE}").write_bytes(b"a newer kernel")
    all_made.append(prepare(manifest("two"), files, bundle, cache, TRUSTED))
    assert len({artifacts.id for artifacts in all_made}) == 4
    assert all(artifacts.initramfs.is_file() for artifacts in all_made)


def test_two_caches_get_the_same_bytes(tmp_path: Path, files: Watched) -> None:
    bundle = bundle_of(tmp_path / "agent")
    one, two = (
        prepare(manifest(), files, bundle, tmp_path / name, TRUSTED) for name in ("one", "two")
    )
    assert one.id == two.id
    assert one.initramfs.read_bytes() == two.initramfs.read_bytes()


def test_an_old_kernel_gets_two_gzip_archives_in_a_row(tmp_path: Path, files: Watched) -> None:
    (tmp_path / "tree/boot" / f"config-{RELEASE}").unlink()
    rest = made(tmp_path, files).initramfs.read_bytes()
    archives = []
    while rest:
        gzip = zlib.decompressobj(wbits=31)
        archives.append(gzip.decompress(rest))
        rest = gzip.unused_data
    assert [archive[:6] for archive in archives] == [b"070701", b"070701"]
    assert b"etc/haoscar/trusted/0.pub\0" in archives[1]


def test_artifacts_that_were_removed_by_hand_are_made_again(tmp_path: Path, files: Watched) -> None:
    first = made(tmp_path, files)
    for path in (first.kernel, first.initramfs):
        path.unlink()
    first.kernel.parent.rmdir()
    assert made(tmp_path, files) == first
    assert first.kernel.is_file()


def test_an_image_without_that_kernel_is_refused_and_leaves_nothing(
    tmp_path: Path, files: Watched
) -> None:
    bundle = bundle_of(tmp_path / "agent")
    with pytest.raises(BootError, match=r"no kernel 9\.9: none of /boot/vmlinuz-9\.9"):
        prepare(manifest(release="9.9"), files, bundle, tmp_path / "cache", TRUSTED)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]
