"""Modules for the installer: disks and wired networks with all they need, unpacked."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from haoscar_pxe.boot.kernel import find_kernel
from haoscar_pxe.boot.modules import KernelFiles, choose_modules, is_wanted
from haoscar_pxe.errors import BootError
from tests.unit.boot.elf_files import module
from tests.unit.boot.folder_files import FolderFiles
from tests.unit.boot.kernel_tree import MODULES, RELEASE, kernel_tree, put

ACME = "kernel/drivers/net/ethernet/acme/acme.ko"


def chosen(files: FolderFiles) -> KernelFiles:
    return choose_modules(files, find_kernel(files, RELEASE))


def lines(files: KernelFiles, name: str) -> list[str]:
    return files.modules[name].decode().splitlines()


def test_network_and_disk_drivers_come_with_what_they_depend_on(tmp_path: Path) -> None:
    found = set(chosen(kernel_tree(tmp_path)).modules)
    assert {
        "kernel/drivers/net/virtio_net.ko",
        "kernel/net/core/failover.ko",
        "kernel/drivers/block/virtio_blk.ko",
        ACME,
    } <= found


def test_graphics_and_sound_stay_behind(tmp_path: Path) -> None:
    assert not [name for name in chosen(kernel_tree(tmp_path)).modules if "gpu" in name]
    assert not [name for name in chosen(kernel_tree(tmp_path)).modules if "sound" in name]


def test_checksums_that_ext4_asks_for_by_name_are_there(tmp_path: Path) -> None:
    assert "kernel/arch/x86/crypto/crc32c-intel.ko" in chosen(kernel_tree(tmp_path)).modules


def test_modprobe_is_told_only_of_modules_that_are_there(tmp_path: Path) -> None:
    files = chosen(kernel_tree(tmp_path))
    for line in lines(files, "modules.dep"):
        path, _, needed = line.partition(":")
        assert {path, *needed.split()} <= set(files.modules)
    assert "alias virtio:d00000001v* virtio_net" in lines(files, "modules.alias")
    assert not [line for line in lines(files, "modules.alias") if "acme_sound" in line]


def test_a_softdep_becomes_a_dependency_unless_it_would_go_round(tmp_path: Path) -> None:
    files = kernel_tree(tmp_path)
    index = tmp_path / "lib/modules" / RELEASE / "modules.softdep"
    index.write_text("softdep acme pre: acme-phy\n")
    assert f"{ACME}: kernel/drivers/net/phy/acme-phy.ko" in lines(chosen(files), "modules.dep")
    index.write_text("softdep acme pre: acme-phy\nsoftdep acme_phy pre: acme\n")
    assert f"{ACME}:" in lines(chosen(files), "modules.dep")


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [(".xz", lzma.compress), (".gz", gzip.compress), (".zst", zstandard.compress)],
)
def test_packed_modules_are_unpacked_under_their_plain_names(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    plain = chosen(kernel_tree(tmp_path / "plain"))
    files = kernel_tree(tmp_path / "packed", suffix=suffix)
    for path in MODULES:
        body = tmp_path / "packed/lib/modules" / RELEASE / path
        body.with_name(body.name + suffix).write_bytes(pack(body.read_bytes()))
        body.unlink()
    assert chosen(files) == plain


@pytest.mark.parametrize("content", [b"not xz", lzma.compress(b"not ELF"), lzma.compress(b"")])
def test_a_module_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    files = kernel_tree(tmp_path, suffix=".xz")
    for path in MODULES:
        put(tmp_path / "lib/modules" / RELEASE / f"{path}.xz", content)
    with pytest.raises(BootError, match=r"the module kernel/arch.* cannot be read"):
        chosen(files)


def test_a_module_that_was_cut_off_is_named(tmp_path: Path) -> None:
    files = kernel_tree(tmp_path)
    path = tmp_path / "lib/modules" / RELEASE / ACME
    path.write_bytes(path.read_bytes()[:-70])
    with pytest.raises(BootError, match=f"the module {ACME} cannot be read"):
        chosen(files)


def test_a_merged_usr_gives_the_same(tmp_path: Path) -> None:
    merged = chosen(kernel_tree(tmp_path / "merged", lib="usr/lib"))
    assert merged == chosen(kernel_tree(tmp_path / "plain"))


def test_firmware_that_a_chosen_module_names_comes_along(tmp_path: Path) -> None:
    assert chosen(kernel_tree(tmp_path)).firmware == {b"acme/nic.bin": b"the firmware"}


def test_packed_firmware_stays_packed(tmp_path: Path) -> None:
    files = kernel_tree(tmp_path)
    path = tmp_path / "lib/firmware/acme/nic.bin"
    path.rename(path.with_name("nic.bin.zst"))
    assert chosen(files).firmware == {b"acme/nic.bin.zst": b"the firmware"}


def test_a_module_that_is_listed_but_missing_is_named(tmp_path: Path) -> None:
    files = kernel_tree(tmp_path)
    (tmp_path / "lib/modules" / RELEASE / ACME).unlink()
    with pytest.raises(BootError, match=rf"lists {ACME}, which is not in the image"):
        chosen(files)


@pytest.mark.parametrize("size_bytes", [100, 5 << 20])
def test_an_out_of_tree_module_comes_along_if_it_is_as_small_as_a_driver(
    tmp_path: Path, size_bytes: int
) -> None:
    files = kernel_tree(tmp_path)
    folder = tmp_path / "lib/modules" / RELEASE
    put(folder / "updates/dkms/vendor.ko", module(b"x" * size_bytes))
    with (folder / "modules.dep").open("a") as index:
        index.write("updates/dkms/vendor.ko:\n")
    found = chosen(files).modules
    assert ("updates/dkms/vendor.ko" in found) is (size_bytes == 100)
    assert ("updates/dkms/vendor.ko:" in found["modules.dep"].decode()) is (size_bytes == 100)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("kernel/drivers/net/ethernet/intel/igb/igb.ko.xz", True),
        ("kernel/drivers/net/virtio_net.ko", True),
        ("kernel/drivers/nvme/host/nvme.ko.zst", True),
        ("kernel/drivers/scsi/megaraid/megaraid_sas.ko", True),
        ("kernel/drivers/usb/storage/uas.ko", True),
        ("kernel/fs/ext4/ext4.ko", True),
        ("kernel/fs/nls/nls_cp437.ko", True),
        ("kernel/fs/nls/nls_koi8-r.ko", False),
        ("kernel/drivers/net/wireless/ath/ath.ko", False),
        ("kernel/drivers/net/veth.ko", False),
        ("kernel/drivers/block/drbd/drbd.ko", False),
        ("kernel/drivers/nvme/host/nvme-tcp.ko", False),
        ("kernel/drivers/gpu/drm/i915/i915.ko", False),
        ("kernel/fs/xfs/xfs.ko", False),
    ],
)
def test_what_an_installer_may_need(path: str, wanted: bool) -> None:
    assert is_wanted(path) is wanted
