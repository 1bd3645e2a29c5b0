"""GRUB's menu for an image that has none that fits: which kernel, which initrd, which root."""

from __future__ import annotations

from pathlib import Path

from haoscar_pxe.boot.image_files import ImageFiles
from haoscar_pxe.errors import BootError
from haoscar_pxe.image.layout import DiskLayout, file_systems
from haoscar_pxe.rendering import render

INITRD_NAMES = ("initrd.img-{}", "initramfs-{}.img", "initrd-{}")
"""Debian and Ubuntu; Fedora, Rocky and Alma; SUSE."""


def grub_config(files: ImageFiles, layout: DiskLayout, templates: Path | None) -> str:
    """The text of grub.cfg. Raises BootError when the layout has no root file system."""
    release = layout.boot.kernel_release
    by_mount_point = {fs.mount_point: fs for fs in file_systems(layout)}
    if "/" not in by_mount_point:
        raise BootError("the image's disk layout has no root file system to boot from")
    boot = by_mount_point.get("/boot", by_mount_point["/"])
    folder = "/" if boot.mount_point == "/boot" else "/boot/"
    present = files.names(b"boot")
    initrd = next(
        (name for each in INITRD_NAMES if (name := each.format(release)).encode() in present), ""
    )
    return render(
        "grub/grub.cfg",
        {
            "kernel_release": release,
            "kernel": f"{folder}vmlinuz-{release}",
            "initrd": f"{folder}{initrd}" if initrd else "",
            "boot_uuid": boot.uuid,
            "root_uuid": by_mount_point["/"].uuid,
        },
        templates,
    )
