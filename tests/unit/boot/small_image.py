"""A repository with one small generation, for tests that only need it to be real."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from haoscar_pxe.image.entry import (
    Directory,
    Entry,
    Extent,
    File,
    Metadata,
    SealedFile,
    parents,
    sort_key,
)
from haoscar_pxe.image.layout import Boot, Disk, DiskLayout, FileSystem, Partition
from haoscar_pxe.image.manifest import Manifest, Record
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.sealing import SealingKey
from haoscar_pxe.image.signing import SigningKey

FILES = {
    b"etc/hostname": b"primary\n",
    b"etc/hosts": b"127.0.0.1 localhost\n127.0.1.1 primary\n",
    b"etc/network/interfaces": b"iface eno1 inet static\n address 10.77.0.10/24\n",
    b"etc/machine-id": b"0123456789abcdef0123456789abcdef\n",
    b"boot/vmlinuz-6.1.0-9-amd64": b"kernel",
    b"boot/initrd.img-6.1.0-9-amd64": b"initrd",
}
LAYOUT = DiskLayout(
    disks=(
        Disk(
            device="/dev/sda",
            size_bytes=1 << 33,
            table="mbr",
            table_id="0x1",
            partitions=(
                Partition(
                    number=1,
                    start_bytes=1 << 20,
                    size_bytes=1 << 32,
                    type_code="83",
                    content=FileSystem(kind="ext4", uuid="d0d0", mount_point="/"),
                ),
            ),
        ),
    ),
    boot=Boot(firmware="bios", loader="grub", kernel_release="6.1.0-9-amd64"),
    is_default=True,
)


def make(
    path: Path,
    signer: SigningKey,
    image: str = "primary",
    sealed_for: SealingKey | None = None,
    files: Mapping[bytes, bytes] = MappingProxyType(FILES),
) -> Manifest:
    """Commit a generation of these files into the repository at path.

    sealed_for: with a file more, /secret, that only the opening key of this one opens.
    """
    meta = Metadata(0o755, 0, 0, 0)
    with Repository.create(path).writer(image) as writer:
        entries: list[Entry] = [
            Directory(folder, meta) for folder in {up for name in files for up in parents(name)}
        ]
        entries += [
            File(name, meta, len(data), (Extent(0, len(data), writer.add_chunk(data)),))
            for name, data in files.items()
        ]
        if sealed_for is not None:
            box = Extent(0, 6, writer.add_box(sealed_for.seal(b"secret")))
            entries.append(SealedFile(b"secret", meta, 6, sealed_for.key_id, (box,)))
        for entry in sorted(entries, key=lambda each: sort_key(each.path)):
            writer.add_entry(entry)
        record = Record(created_ns=0, host_name="primary", consistency="tree", layout=LAYOUT)
        return writer.commit(record, signer)
