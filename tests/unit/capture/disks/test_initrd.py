"""An initrd that fits the head alone is noticed, by the file that made it so."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.capture.disks.initrd import tailored

INITRAMFS = "etc/initramfs-tools/initramfs.conf"
DISTRIBUTION = "usr/lib/dracut/dracut.conf.d/01-dist.conf"


def made_by(root: Path, program: str, files: dict[str, str]) -> Path:
    for name, content in {program: "", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


@pytest.mark.parametrize(
    ("files", "file"),
    [
        ({INITRAMFS: "# MODULES: most, dep\nMODULES=most\n"}, None),
        ({INITRAMFS: "MODULES=dep\n"}, INITRAMFS),
        (
            {INITRAMFS: "MODULES=most\n", "etc/initramfs-tools/conf.d/small": "MODULES=dep\n"},
            "etc/initramfs-tools/conf.d/small",
        ),
        ({INITRAMFS: "MODULES=dep\n", "etc/initramfs-tools/conf.d/all": "MODULES=most\n"}, None),
        ({}, None),
    ],
)
def test_initramfs_tools_counts_the_last_word(
    files: dict[str, str], file: str | None, tmp_path: Path
) -> None:
    found = tailored(made_by(tmp_path, "usr/sbin/mkinitramfs", files))
    assert (found and found.file) == file


@pytest.mark.parametrize(
    ("files", "file"),
    [
        ({DISTRIBUTION: 'hostonly="yes"\n'}, DISTRIBUTION),
        ({DISTRIBUTION: 'hostonly="yes"\n', "etc/dracut.conf": "hostonly=no\n"}, DISTRIBUTION),
        ({DISTRIBUTION: 'hostonly="yes"\n', "etc/dracut.conf.d/99.conf": "hostonly=no"}, None),
        ({DISTRIBUTION: 'hostonly="yes"\n', "etc/dracut.conf.d/01-dist.conf": ""}, None),
        ({"etc/dracut.conf": '#hostonly="yes"\n'}, None),
    ],
)
def test_dracut_counts_the_last_word(
    files: dict[str, str], file: str | None, tmp_path: Path
) -> None:
    found = tailored(made_by(tmp_path, "usr/bin/dracut", files))
    assert (found and found.file) == file


def test_what_no_program_reads_does_not_count(tmp_path: Path) -> None:
    assert tailored(made_by(tmp_path, "etc/hostname", {INITRAMFS: "MODULES=dep\n"})) is None


def test_a_link_out_of_the_tree_is_not_followed(tmp_path: Path) -> None:
    outside = made_by(tmp_path / "outside", INITRAMFS, {INITRAMFS: "MODULES=dep\n"}) / INITRAMFS
    root = made_by(tmp_path / "root", "usr/sbin/mkinitramfs", {})
    (root / INITRAMFS).parent.mkdir(parents=True)
    (root / INITRAMFS).symlink_to(outside)
    assert tailored(root) is None
