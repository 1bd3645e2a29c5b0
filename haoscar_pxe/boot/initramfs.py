"""The installer's initramfs: the agent bundle, the kernel's modules, and whom to trust.

Two cpio archives, each compressed, one after the other: the kernel unpacks them in turn. The
bundle's is the same for every kernel that unpacks the same compression, so it is packed once.

    /init /bin /lib                    the bundle
    /sbin -> bin, /lib64 -> lib, /usr -> .
    /lib/modules/RELEASE /lib/firmware what the kernel may need
    /etc/haoscar/trusted/*.pub         public keys; a manifest must be signed by one of them

Source: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
It holds no secret: whoever asks for it is given it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, assert_never

import zstandard

from haoscar_pxe.boot.bundle import Bundle, bundle_files
from haoscar_pxe.boot.cpio import (
    Member,
    archive,
    character_device,
    file,
    folder,
    symlink,
    with_parents,
)
from haoscar_pxe.boot.kernel import Compression
from haoscar_pxe.boot.modules import KernelFiles
from haoscar_pxe.image.signing import TrustedKeys

TRUSTED_FOLDER: Final = "etc/haoscar/trusted"
ZSTD_LEVEL: Final = 12
"""Level 19 makes the full Debian kernel's part a tenth smaller in fifteen times the time."""
GZIP_LEVEL: Final = 9

SKELETON: Final = (
    *(folder(name) for name in (b"dev", b"etc", b"proc", b"run", b"sys", b"target", b"tmp")),
    folder(b"root", 0o700),
    # The kernel opens it for the first process, before anybody has mounted a devtmpfs.
    character_device(b"dev/console", 5, 1),
    character_device(b"dev/null", 1, 3, 0o666),
    symlink(b"sbin", b"bin"),
    # One library folder under every name that some distribution's loader searches.
    symlink(b"lib64", b"lib"),
    symlink(b"usr", b"."),
    file(b"etc/hosts", b"127.0.0.1 localhost\n"),
    file(b"etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n"),
    file(b"etc/group", b"root:x:0:\n"),
)


def bundle_members(bundle: Bundle) -> list[Member]:
    """The archive that holds the bundle."""
    return with_parents([*SKELETON, *_bundled(bundle)])


def kernel_members(release: str, files: KernelFiles, trusted: TrustedKeys) -> list[Member]:
    """The archive that holds what belongs to one kernel, and the trusted keys."""
    modules = f"lib/modules/{release}/".encode()
    keys = sorted(key.encode() for key in trusted.keys.values())
    return with_parents(
        [
            *(file(modules + path.encode(), body) for path, body in files.modules.items()),
            *(file(b"lib/firmware/" + path, body) for path, body in files.firmware.items()),
            *(file(_key_name(number), f"{key}\n".encode()) for number, key in enumerate(keys)),
        ]
    )


def packed(members: Iterable[Member], compression: Compression) -> Iterator[bytes]:
    """The compressed archive, piece by piece; the same members give the same bytes."""
    match compression:
        case "zstd":
            zstd = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()
            yield from (zstd.compress(piece) for piece in archive(members))
            yield zstd.flush()
        case "gzip":
            # wbits 31: with a gzip header, which zlib leaves without a time and a name.
            gzip = zlib.compressobj(GZIP_LEVEL, wbits=31)
            yield from (gzip.compress(piece) for piece in archive(members))
            yield gzip.flush()
        case _:
            assert_never(compression)


def write_packed(members: Iterable[Member], compression: Compression, path: Path) -> None:
    """Write the compressed archive to a new file."""
    with path.open("xb") as target:
        for piece in packed(members, compression):
            target.write(piece)


def _bundled(bundle: Bundle) -> Iterator[Member]:
    for name, path in bundle_files(bundle):
        permissions = path.stat().st_mode & 0o777
        yield file(name.encode(), path.read_bytes(), permissions)


def _key_name(number: int) -> bytes:
    return f"{TRUSTED_FOLDER}/{number}.pub".encode()
