"""The captured image's own kernel: its file, its modules' folder, and what it can unpack.

Sources: the Boot Loader Specification and the distributions' habits for names, the kernel's
Documentation/admin-guide/initrd.rst. It does not choose modules: `modules.py` does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from haoscar_pxe.boot.image_files import ImageFiles
from haoscar_pxe.errors import BootError

Compression: TypeAlias = Literal["zstd", "gzip"]

IMAGES: Final = (
    "boot/vmlinuz-{release}",  # Debian, Ubuntu, Fedora and its kin, SUSE
    "boot/Image-{release}",  # SUSE on arm64
    "boot/vmlinux-{release}",
    "usr/lib/modules/{release}/vmlinuz",  # where kernel-install and ostree keep it
    "lib/modules/{release}/vmlinuz",
)
CONFIGS: Final = (
    "boot/config-{release}",
    "usr/lib/modules/{release}/config",
    "lib/modules/{release}/config",
)
MODULES: Final = ("lib/modules/{release}", "usr/lib/modules/{release}")


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel inside an image.

    image: the bootable file's content. modules_folder: relative to the image's root; holds
    modules.dep. compression: the smallest an initramfs may be packed with for this kernel.
    """

    release: str
    image: bytes
    modules_folder: bytes
    compression: Compression


def find_kernel(files: ImageFiles, release: str) -> Kernel:
    """The kernel of this release (`uname -r`). Raises BootError naming where it was looked for."""
    image = _first(files, IMAGES, release)
    if image is None:
        raise BootError(
            f"the image holds no kernel {release}: none of {_names(IMAGES, release)};"
            f" its kernels: {_kernels(files)}",
            hint="capture again with the kernel's package installed, or name another release in"
            " the layout (--layout)",
        )
    return Kernel(release, image, _modules_folder(files, release), _compression(files, release))


def _modules_folder(files: ImageFiles, release: str) -> bytes:
    for folder in _paths(MODULES, release):
        if files.read(folder + b"/modules.dep") is not None:
            return folder
    raise BootError(
        f"the image holds no modules of kernel {release}: no modules.dep in"
        f" {_names(MODULES, release)}",
        hint=f"run 'depmod {release}' on the head and capture again",
    )


def _compression(files: ImageFiles, release: str) -> Compression:
    """gzip unpacks everywhere; zstd since Linux 5.9, where the distribution switched it on."""
    config = _first(files, CONFIGS, release) or b""
    return "zstd" if re.search(rb"^CONFIG_RD_ZSTD=y$", config, re.MULTILINE) else "gzip"


def _first(files: ImageFiles, patterns: tuple[str, ...], release: str) -> bytes | None:
    contents = (files.read(path) for path in _paths(patterns, release))
    return next((content for content in contents if content is not None), None)


def _paths(patterns: tuple[str, ...], release: str) -> list[bytes]:
    return [pattern.format(release=release).encode() for pattern in patterns]


def _names(patterns: tuple[str, ...], release: str) -> str:
    return ", ".join(f"/{path.decode()}" for path in _paths(patterns, release))


def _kernels(files: ImageFiles) -> str:
    found = [name for name in files.names(b"boot") if name.startswith((b"vmlinuz-", b"Image-"))]
    return ", ".join(name.decode("utf-8", "replace") for name in found) or "none in /boot"
