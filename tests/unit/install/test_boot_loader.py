"""What of GRUB is found in a tree, and where there is room for it; the lab sees it boot."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.errors import InstallError
from haoscar_pxe.image.layout import DiskLayout
from haoscar_pxe.install.boot_loader import Grub, early_config, embedding_bytes, find_grub
from haoscar_pxe.install.plan import plan
from tests.unit.install.machines import (
    GIB,
    MIB,
    ROOT_UUID,
    TOTALS,
    disk,
    gpt_layout,
    layout,
    order,
    partition,
    root_fs,
)


def tree(root: Path, *files: str) -> Path:
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def test_debians_tools_are_found_where_grub_pc_bin_puts_them(tmp_path: Path) -> None:
    setup, kernel = "usr/lib/grub/i386-pc/grub-bios-setup", "usr/lib/grub/i386-pc/kernel.img"
    found = find_grub(tree(tmp_path, setup, kernel, "usr/bin/grub-mkimage"))
    assert found == Grub("grub", f"/{setup}", "/usr/bin/grub-mkimage")


def test_rockys_tools_are_found_under_their_own_names(tmp_path: Path) -> None:
    names = (
        "usr/sbin/grub2-bios-setup",
        "usr/bin/grub2-mkimage",
        "usr/lib/grub/i386-pc/kernel.img",
    )
    assert find_grub(tree(tmp_path, *names)).name == "grub2"


def test_an_image_without_grub_is_told_what_it_lacks(tmp_path: Path) -> None:
    tree(tmp_path, "usr/bin/grub-mkimage")
    with pytest.raises(InstallError, match="lacks grub-bios-setup, i386-pc or") as refused:
        find_grub(tmp_path)
    assert "grub-pc-bin" in refused.value.hint


def room(captured: DiskLayout) -> int:
    return embedding_bytes(plan(captured, TOTALS, [disk()], order(), "bios"))


def test_the_core_image_goes_before_the_first_partition_or_into_its_own() -> None:
    assert room(layout()) == MIB - 512
    assert room(layout(partition(1, 63 * 512, 10 * GIB, root_fs()))) == 62 * 512
    assert room(gpt_layout()) == MIB


def test_a_gpt_without_a_bios_boot_partition_has_no_room() -> None:
    assert room(layout(partition(1, MIB, GIB, root_fs()), table="gpt")) == 0


def test_grub_finds_its_folder_by_uuid_on_the_root_or_on_boot() -> None:
    assert f"--set=root {ROOT_UUID}\nset prefix=($root)/boot/grub\n" in early_config(
        root_fs(), "grub"
    )
    assert "set prefix=($root)/grub2\n" in early_config(root_fs(mount_point="/boot"), "grub2")
