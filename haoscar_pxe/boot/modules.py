"""Choose the kernel modules and firmware that an installation may need, and unpack them.

Drivers for every disk and wired network controller that the kernel knows, because the standby's
hardware is not known yet; the file systems an installer mounts; USB keyboards for the person in
front of it. What else the kernel has (graphics, sound, radio) stays behind.

Sources: the kernel's source tree for the folders' names, modinfo(8) for `.modinfo`.
"""

from __future__ import annotations

import lzma
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Final

import zstandard

from haoscar_pxe.boot.elf import ElfError, section
from haoscar_pxe.boot.image_files import ImageFiles
from haoscar_pxe.boot.kernel import Kernel
from haoscar_pxe.boot.module_index import ModuleIndex, module_name, parse_index
from haoscar_pxe.errors import BootError

WANTED: Final = re.compile(
    r"""
    kernel/drivers/net/[^/]+
    | kernel/drivers/net/(ethernet|hyperv|mdio|pcs|phy|usb|vmxnet3)/.*
    | kernel/drivers/(ata|hv|message|mmc|nvme|scsi|virtio)/.*
    | kernel/drivers/block/.*
    | kernel/drivers/pci/controller/.*
    | kernel/drivers/usb/(common|core|host|storage)/.*
    | kernel/drivers/hid/(hid|hid-generic|hid-hyperv|usbhid/usbhid)\.ko.*
    | kernel/drivers/input/(keyboard/atkbd|serio/[^/]*)\.ko.*
    | kernel/drivers/char/hw_random/.*
    | kernel/fs/(efivarfs|ext4|fat)/.*
    | kernel/fs/nls/nls_(ascii|cp437|iso8859-1|utf8)\.ko.*
    """,
    re.VERBOSE,
)
NOT_WANTED: Final = re.compile(
    r"""
    kernel/drivers/net/(bonding|can|dummy|geneve|gtp|ieee802154|ifb|macsec|netdevsim|nlmon|
        ntb_netdev|ppp|slip|team|thunderbolt|veth|vrf|vsockmon|vxlan|wireguard|wireless|wwan)[/.].*
    | kernel/drivers/block/(aoe|brd|drbd|loop|nbd|null_blk|pktcdvd|rbd|rnbd|ublk|zram)[/_.-].*
    | kernel/drivers/scsi/(device_handler|scsi_debug|st|osst|ch|ses|sg)[/.].*
    | kernel/drivers/.*/tcm_[^/]*
    | kernel/drivers/nvme/(target/.*|host/nvme-(fc|rdma|tcp)\.ko.*)
    """,
    re.VERBOSE,
)
"""Pseudo devices, tapes and what only speaks over a network that is up already."""

WANTED_ALIASES: Final = re.compile(r"crypto-(crc32c?|crct10dif)")
"""ext4 and jbd2 ask the kernel's crypto layer for these by name, not by a symbol."""

OUT_OF_TREE: Final = re.compile(r"(updates|extra|weak-updates)/.*")
OUT_OF_TREE_MAX_BYTES: Final = 4 << 20
"""A vendor's own disk or network driver is smaller; nvidia.ko has 60 MB."""

UNPACKED_MAX_BYTES: Final = 256 << 20
FIRMWARE_FOLDERS: Final = (b"lib/firmware/updates", b"lib/firmware", b"usr/lib/firmware")
FIRMWARE_SUFFIXES: Final = (b"", b".xz", b".zst")
"""The kernel unpacks these itself (CONFIG_FW_LOADER_COMPRESS), so they are kept as they are."""


@dataclass(frozen=True, slots=True)
class KernelFiles:
    """What goes into the initramfs for one kernel.

    modules: path below lib/modules/RELEASE → content, depmod's index among them.
    firmware: path below lib/firmware → content.
    """

    modules: dict[str, bytes]
    firmware: dict[bytes, bytes]


def choose_modules(files: ImageFiles, kernel: Kernel) -> KernelFiles:
    """Read the chosen modules out of the image. Raises BootError if it lacks one it lists."""
    index = _read_index(files, kernel)
    bodies = {path: _module(files, kernel, path) for path in sorted(_chosen(index))}
    kept = {path: body for path, body in bodies.items() if not _is_too_large(path, body)}
    modules = {_unpacked_name(path): body for path, body in kept.items()}
    builtin = files.read(kernel.modules_folder + b"/modules.builtin") or b""
    modules |= _index_files(index, set(kept)) | {"modules.builtin": builtin}
    return KernelFiles(modules, dict(_firmware(files, kernel, kept.values())))


def is_wanted(path: str) -> bool:
    """Whether an installer may need the module at this path.

    >>> is_wanted("kernel/drivers/net/ethernet/intel/e1000e/e1000e.ko.xz")
    True
    >>> is_wanted("kernel/drivers/gpu/drm/i915/i915.ko")
    False
    """
    if OUT_OF_TREE.fullmatch(path):
        return True
    return bool(WANTED.fullmatch(path)) and not NOT_WANTED.fullmatch(path)


def _chosen(index: ModuleIndex) -> set[str]:
    by_path = [path for path in index.dependencies if is_wanted(path)]
    aliased = {name for alias, name in index.aliases if WANTED_ALIASES.match(alias)}
    by_alias = [path for path in index.dependencies if module_name(path) in aliased]
    return index.closure([*by_path, *by_alias])


def _read_index(files: ImageFiles, kernel: Kernel) -> ModuleIndex:
    def text(name: bytes) -> bytes:
        return files.read(kernel.modules_folder + b"/modules." + name) or b""

    return parse_index(text(b"dep"), text(b"alias"), text(b"softdep"))


def _module(files: ImageFiles, kernel: Kernel, path: str) -> bytes:
    content = files.read(kernel.modules_folder + b"/" + path.encode())
    if content is None:
        raise BootError(
            f"modules.dep of kernel {kernel.release} lists {path}, which is not in the image",
            hint=f"run 'depmod {kernel.release}' on the head and capture again",
        )
    try:
        body = _unpacked(path, content)
        # The table of sections is at the end: a module that was cut off does not pass.
        section(body, b".modinfo")
    except (lzma.LZMAError, zlib.error, zstandard.ZstdError, ElfError) as error:
        raise BootError(f"the module {path} cannot be read: {error}") from error
    return body


def _unpacked(path: str, content: bytes) -> bytes:
    """A module without its own compression: busybox and old kernels load plain ones only."""
    if path.endswith(".xz"):
        return lzma.LZMADecompressor().decompress(content, UNPACKED_MAX_BYTES)
    if path.endswith(".gz"):
        return zlib.decompressobj(wbits=31).decompress(content, UNPACKED_MAX_BYTES)
    if path.endswith(".zst"):
        reader = zstandard.ZstdDecompressor().stream_reader(content)
        return reader.read(UNPACKED_MAX_BYTES)
    return content


def _unpacked_name(path: str) -> str:
    return path.partition(".ko")[0] + ".ko"


def _is_too_large(path: str, body: bytes) -> bool:
    return bool(OUT_OF_TREE.fullmatch(path)) and len(body) > OUT_OF_TREE_MAX_BYTES


def _index_files(index: ModuleIndex, kept: set[str]) -> dict[str, bytes]:
    """depmod's files for the modules that are kept.

    busybox's modprobe knows no soft dependencies: what should come before is made a dependency.
    """
    names = {module_name(path) for path in kept}
    dependencies = [_dependency_line(index, path, kept) for path in sorted(kept)]
    aliases = [f"alias {pattern} {name}" for pattern, name in index.aliases if name in names]
    return {
        "modules.dep": _text(dependencies),
        "modules.alias": _text(aliases),
    }


def _dependency_line(index: ModuleIndex, path: str, kept: set[str]) -> str:
    # A module that itself needs this one cannot come before it.
    soft = [b for b in index.before(path) if path not in index.closure([b])]
    needed = dict.fromkeys([*index.dependencies[path], *soft])
    wanted = [_unpacked_name(each) for each in needed if each in kept]
    return " ".join([f"{_unpacked_name(path)}:", *wanted])


def _text(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _firmware(
    files: ImageFiles, kernel: Kernel, bodies: Iterable[bytes]
) -> Iterator[tuple[bytes, bytes]]:
    """Firmware that the modules name and the image has; many name more than anybody ships."""
    # Listing a folder once is far cheaper than asking an image for hundreds of names in it.
    names_in = cache(lambda folder: frozenset(files.names(folder)))
    folders = [folder for folder in _firmware_folders(kernel) if names_in(folder)]
    for name in sorted({name for body in bodies for name in _firmware_names(body)}):
        for folder, suffix in product(folders, FIRMWARE_SUFFIXES):
            above, _, last = (folder + b"/" + name + suffix).rpartition(b"/")
            content = files.read(above + b"/" + last) if last in names_in(above) else None
            if content is not None:
                yield name + suffix, content
                break


def _firmware_folders(kernel: Kernel) -> Iterator[bytes]:
    """Where the kernel looks for firmware, in its order (Documentation/driver-api/firmware)."""
    for folder in FIRMWARE_FOLDERS:
        yield folder + b"/" + kernel.release.encode()
        yield folder


def _firmware_names(body: bytes) -> list[bytes]:
    fields = section(body, b".modinfo").split(b"\0")
    names = (field.removeprefix(b"firmware=") for field in fields if field[:9] == b"firmware=")
    return [name for name in names if name and b".." not in name.split(b"/")]
