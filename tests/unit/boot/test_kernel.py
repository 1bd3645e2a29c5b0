"""The kernel inside an image is found under the names distributions give it, or missed by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.boot.kernel import find_kernel
from haoscar_pxe.errors import BootError
from tests.unit.boot.folder_files import FolderFiles
from tests.unit.boot.kernel_tree import RELEASE, kernel_tree, put


@pytest.mark.parametrize("lib", ["lib", "usr/lib"])
def test_debian_keeps_its_kernel_in_boot(tmp_path: Path, lib: str) -> None:
    kernel = find_kernel(kernel_tree(tmp_path, lib=lib), RELEASE)
    assert kernel.image == b"the kernel"
    assert kernel.compression == "zstd"


def test_an_image_without_a_boot_folder_keeps_it_beside_the_modules(tmp_path: Path) -> None:
    files = kernel_tree(tmp_path, lib="usr/lib")
    beside = tmp_path / "usr/lib/modules" / RELEASE
    (tmp_path / f"boot/vmlinuz-{RELEASE}").rename(beside / "vmlinuz")
    (tmp_path / f"boot/config-{RELEASE}").rename(beside / "config")
    kernel = find_kernel(files, RELEASE)
    assert (kernel.image, kernel.compression) == (b"the kernel", "zstd")


@pytest.mark.parametrize(
    "config", [None, b"# CONFIG_RD_ZSTD is not set\n", b"CONFIG_RD_ZSTD=m\n", b""]
)
def test_a_kernel_not_known_to_unpack_zstd_gets_gzip(tmp_path: Path, config: bytes | None) -> None:
    files = kernel_tree(tmp_path)
    path = tmp_path / f"boot/config-{RELEASE}"
    path.unlink()
    if config is not None:
        path.write_bytes(config)
    assert find_kernel(files, RELEASE).compression == "gzip"


def test_a_missing_kernel_is_named_with_those_there_are(tmp_path: Path) -> None:
    files = kernel_tree(tmp_path)
    with pytest.raises(BootError) as caught:
        find_kernel(files, "6.6.6-gone")
    assert "no kernel 6.6.6-gone" in str(caught.value)
    assert "/boot/vmlinuz-6.6.6-gone" in str(caught.value)
    assert f"its kernels: vmlinuz-{RELEASE}" in str(caught.value)


def test_an_image_without_any_kernel_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(BootError, match="its kernels: none in /boot"):
        find_kernel(FolderFiles(tmp_path), RELEASE)


def test_a_kernel_without_modules_is_refused(tmp_path: Path) -> None:
    put(tmp_path / f"boot/vmlinuz-{RELEASE}", b"the kernel")
    with pytest.raises(BootError, match=r"no modules of kernel .*modules\.dep") as caught:
        find_kernel(FolderFiles(tmp_path), RELEASE)
    assert f"depmod {RELEASE}" in caught.value.hint
