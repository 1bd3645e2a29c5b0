"""A tree with a small kernel and its modules, as a head's /boot and /lib/modules hold them."""

from __future__ import annotations

from pathlib import Path

from haoscar_pxe.image.layout import Boot, DiskLayout
from haoscar_pxe.image.manifest import Manifest
from tests.unit.boot.elf_files import module
from tests.unit.boot.folder_files import FolderFiles

RELEASE = "6.1.0-9-amd64"

MODULES = {
    "kernel/drivers/net/virtio_net.ko": "",
    "kernel/net/core/failover.ko": "",
    "kernel/drivers/net/ethernet/acme/acme.ko": "firmware=acme/nic.bin\0firmware=acme/no.bin\0",
    "kernel/drivers/net/phy/acme-phy.ko": "",
    "kernel/drivers/block/virtio_blk.ko": "",
    "kernel/arch/x86/crypto/crc32c-intel.ko": "",
    "kernel/drivers/gpu/drm/acme_gpu.ko": "firmware=acme/gpu.bin\0",
    "kernel/sound/acme_sound.ko": "",
}
DEPENDENCIES = {"kernel/drivers/net/virtio_net.ko": "kernel/net/core/failover.ko"}
ALIASES = """\
# Aliases extracted from modules themselves.
alias virtio:d00000001v* virtio_net
alias pci:v00001AF4d00001000sv*sd*bc*sc*i* virtio_net
alias crypto-crc32c crc32c_intel
alias mdio-acme acme_phy
alias snd-card-0 acme_sound
"""
SOFTDEPS = "softdep acme pre: acme-phy\nsoftdep acme_phy post: acme\n"


def kernel_tree(root: Path, *, lib: str = "lib", suffix: str = "") -> FolderFiles:
    """Lay the tree into root. lib: "usr/lib" for a merged /usr. suffix: as if modules had it."""
    folder = root / lib / "modules" / RELEASE
    for path, modinfo in MODULES.items():
        put(folder / path, module(modinfo.encode() or b"license=GPL\0"))
    lines = (
        f"{path}{suffix}: {DEPENDENCIES[path] + suffix if path in DEPENDENCIES else ''}\n"
        for path in MODULES
    )
    put(folder / "modules.dep", "".join(lines).encode())
    put(folder / "modules.alias", ALIASES.encode())
    put(folder / "modules.softdep", SOFTDEPS.encode())
    put(folder / "modules.builtin", b"kernel/fs/ext4/ext4.ko\n")
    put(root / "boot" / f"vmlinuz-{RELEASE}", b"the kernel")
    put(root / "boot" / f"config-{RELEASE}", b"CONFIG_RD_GZIP=y\nCONFIG_RD_ZSTD=y\n")
    put(root / lib / "firmware/acme/nic.bin", b"the firmware")
    if lib != "lib":
        (root / "lib").symlink_to(lib)
    return FolderFiles(root)


def manifest(name: str = "one", release: str = RELEASE) -> Manifest:
    """A manifest as far as boot artifacts look at one; name makes its id differ."""
    boot = Boot(firmware="bios", loader="grub", kernel_release=release)
    return Manifest(
        id=name.encode().hex(),
        signed_by="",
        created_ns=0,
        host_name="primary",
        consistency="tree",
        layout=DiskLayout(disks=(), boot=boot),
        format=1,
        image="primary",
        generation=1,
        parent="",
        tool_version="",
        entry_count=1,
        logical_bytes=0,
        stored_bytes=0,
        packed_bytes=0,
        sealed_files=0,
        sealing_keys=(),
        pages=(),
    )


def put(path: Path, content: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
