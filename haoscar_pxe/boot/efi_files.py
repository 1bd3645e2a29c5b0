"""What the EFI system partition must hold beside what was captured, so that any firmware finds it.

A head boots by an entry in its own firmware's memory, which no image holds. A machine without
such an entry, or that lost it, loads EFI/BOOT/BOOTX64.EFI (UEFI 2.10 section 3.5.1.1). Where the
head has no such file, it is made of the head's own: shim, and GRUB beside it, which looks for its
configuration in the folder that it was built with, the distribution's. A tree that was captured
without disks gets them out of the image's own packages, and that configuration with them.
"""

from __future__ import annotations

import re
from typing import Final

from haoscar_pxe.boot.image_files import ImageFiles
from haoscar_pxe.image.layout import DiskLayout, FileSystem, efi_system_partition, file_systems
from haoscar_pxe.nodes.order import IdentityChange

FALLBACK: Final = b"EFI/BOOT"
PROGRAM: Final = b"BOOTX64.EFI"
SHIM: Final = b"shimx64.efi"
GRUB: Final = b"grubx64.efi"
SIGNED_SHIM: Final = b"usr/lib/shim/shimx64.efi.signed"
SIGNED_GRUB: Final = b"usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"
FAT_FILE_MODE: Final = 0o777
USUAL_UMASK: Final = 0o022
WHY_FALLBACK: Final = "what a firmware without a boot entry for this machine loads"


def efi_files(files: ImageFiles, layout: DiskLayout) -> list[IdentityChange]:
    """The changes; none for an image that boots by BIOS or has what a firmware looks for."""
    partition = efi_system_partition(layout)
    if partition is None or not isinstance(partition.content, FileSystem):
        return []
    esp = partition.content
    top = esp.mount_point.strip("/").encode()
    fallback = find(files, top, FALLBACK) or top + b"/" + FALLBACK
    if layout.boot.firmware != "uefi" or find(files, fallback, PROGRAM):
        return []
    folder = _vendors_folder(files, top)
    shim = _read(files, find(files, folder, SHIM) if folder else None) or files.read(SIGNED_SHIM)
    grub = _read(files, find(files, folder, GRUB) if folder else None) or files.read(SIGNED_GRUB)
    if grub is None:
        return []
    mode = fat_mode(esp.mount_options)
    contents = {fallback + b"/" + PROGRAM: shim or grub}
    if shim:
        contents[fallback + b"/" + GRUB] = grub
    changes = [
        IdentityChange(path=path, content=content, mode=mode, reason=WHY_FALLBACK)
        for path, content in contents.items()
    ]
    return changes if folder else [*changes, _stub(files, layout, top, mode)]


def _vendors_folder(files: ImageFiles, top: bytes) -> bytes | None:
    """The folder on the EFI system partition that has GRUB in it."""
    above = find(files, top, b"EFI")
    for name in files.names(above) if above else []:
        if above and find(files, above + b"/" + name, GRUB):
            return above + b"/" + name
    return None


def find(files: ImageFiles, folder: bytes, path: bytes) -> bytes | None:
    """Where the image has `path` below `folder`, whatever its letters' case; None if nowhere."""
    for wanted in path.split(b"/"):
        named = (name for name in files.names(folder) if name.lower() == wanted.lower())
        name = next(named, None)
        if name is None:
            return None
        folder = folder + b"/" + name
    return folder


def _read(files: ImageFiles, path: bytes | None) -> bytes | None:
    return files.read(path) if path else None


def _stub(files: ImageFiles, layout: DiskLayout, top: bytes, mode: int) -> IdentityChange:
    """What grub-install writes beside its program: where the real configuration is."""
    by_place = {each.mount_point: each for each in file_systems(layout)}
    boot = by_place.get("/boot", by_place["/"])
    folder = "/grub" if boot.mount_point == "/boot" else "/boot/grub"
    vendor = _distribution(files)
    content = (
        f"search.fs_uuid {boot.uuid} root\nset prefix=($root)'{folder}'\n"
        "configfile $prefix/grub.cfg\n"
    )
    return IdentityChange(
        path=top + b"/EFI/" + vendor + b"/grub.cfg",
        content=content.encode(),
        mode=mode,
        reason="where GRUB on the EFI system partition finds its menu",
    )


def _distribution(files: ImageFiles) -> bytes:
    """The name that the distribution's signed GRUB has its folder under: ID of os-release(5)."""
    text = files.read(b"etc/os-release") or files.read(b"usr/lib/os-release") or b""
    found = re.search(rb"^ID=[\"']?([a-z0-9._-]+)", text, re.MULTILINE)
    return found[1] if found else b"debian"


def fat_mode(mount_options: str, own_mask: str = "fmask") -> int:
    """The mode that every file of a FAT shows, mounted with these options (mount(8)).

    own_mask: the option that comes before "umask", "dmask" for folders.

    >>> f"{fat_mode('umask=0077'):o} {fat_mode('defaults'):o} {fat_mode('umask=77,fmask=133'):o}"
    '700 755 644'
    """
    given = dict(each.partition("=")[::2] for each in mount_options.split(","))
    mask = given.get(own_mask) or given.get("umask") or f"{USUAL_UMASK:o}"
    is_octal = re.fullmatch(r"[0-7]+", mask)
    return FAT_FILE_MODE & ~(int(mask, 8) if is_octal else USUAL_UMASK)
