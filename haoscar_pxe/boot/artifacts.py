"""Boot artifacts: the kernel and the initramfs that a node loads to install a generation.

    CACHE/<artifact id>/vmlinuz, initramfs     (CACHE is a build cache: see build_cache.py)
    CACHE/bundle-<bundle id>.<compression>     the bundle's part of an initramfs, packed

An artifact id is the BLAKE3 hash of what the two are made from: kernel, modules, firmware, agent
bundle, trusted keys. Generations with the same kernel share it. Nothing is ever changed in place,
so a node that is just loading the old ones gets them whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blake3 import blake3

from haoscar_pxe.boot.build_cache import BuildCache, opened
from haoscar_pxe.boot.bundle import Bundle
from haoscar_pxe.boot.cpio import Member, archive
from haoscar_pxe.boot.image_files import ImageFiles
from haoscar_pxe.boot.initramfs import bundle_members, kernel_members, write_packed
from haoscar_pxe.boot.kernel import Compression, Kernel, find_kernel
from haoscar_pxe.boot.modules import choose_modules
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.signing import TrustedKeys

RECIPE: Final = "haoscar-pxe artifacts 1"
"""Changes whenever the same inputs would be made into artifacts differently."""

KERNEL: Final = "vmlinuz"
INITRAMFS: Final = "initramfs"


@dataclass(frozen=True, slots=True)
class BootArtifacts:
    """Files to serve. id: 64 hexadecimal digits. kernel_release: `uname -r` of the kernel."""

    id: str
    kernel: Path
    initramfs: Path
    kernel_release: str


def prepare(
    manifest: Manifest,
    files: ImageFiles,
    bundle: Bundle,
    cache_folder: Path,
    trusted: TrustedKeys,
) -> BootArtifacts:
    """The artifacts that install this generation; made if the cache does not hold them.

    files: the generation's. Milliseconds when they were made before, seconds otherwise.
    Raises BootError naming what was looked for when the image has no such kernel or modules,
    RepositoryError when it cannot be read.
    """
    release = manifest.layout.boot.kernel_release
    request = _request(manifest.id, bundle, trusted)
    with opened(cache_folder, "the boot files") as cache:
        folder = cache.made_for(request)
        if folder is None:
            made = _make(cache, files, find_kernel(files, release), bundle, trusted)
            folder = cache.remember(request, made)
    return BootArtifacts(folder.name, folder / KERNEL, folder / INITRAMFS, release)


def _request(manifest_id: str, bundle: Bundle, trusted: TrustedKeys) -> str:
    """Name for "this generation, installed by this bundle, which trusts these keys"."""
    keys = sorted(key.encode() for key in trusted.keys.values())
    return blake3("\0".join([RECIPE, manifest_id, bundle.id, *keys]).encode()).hexdigest(length=16)


def _make(
    cache: BuildCache, files: ImageFiles, kernel: Kernel, bundle: Bundle, trusted: TrustedKeys
) -> Path:
    members = kernel_members(kernel.release, choose_modules(files, kernel), trusted)
    bundled = _packed_bundle(cache, bundle, kernel.compression)

    def build(folder: Path) -> None:
        folder.mkdir()
        (folder / KERNEL).write_bytes(kernel.image)
        own = folder / "own"
        write_packed(members, kernel.compression, own)
        _join([bundled, own], folder / INITRAMFS)
        own.unlink()

    return cache.make(_artifact_id(kernel, members, bundle), build)


def _packed_bundle(cache: BuildCache, bundle: Bundle, compression: Compression) -> Path:
    name = f"bundle-{bundle.id}.{compression}"
    return cache.make(name, lambda path: write_packed(bundle_members(bundle), compression, path))


def _artifact_id(kernel: Kernel, members: Iterable[Member], bundle: Bundle) -> str:
    words = (RECIPE, kernel.release, kernel.compression, bundle.id, str(len(kernel.image)))
    digest = blake3("\0".join(words).encode())
    digest.update(kernel.image)
    for piece in archive(members):
        digest.update(piece)
    return digest.hexdigest()


def _join(parts: Iterable[Path], whole: Path) -> None:
    with whole.open("xb") as target:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, target)
