"""What a standby knows about itself: left by the installer, renewed by every sync.

/var/lib/haoscar-pxe-standby/      0700, root's
    record.json                    who it is, where its server is, its token (0600)
    manifest                       the sealed manifest of the generation that it is
    trusted/<n>.pub                whose manifests it believes
    bundle/                        the Python and rooms that it was installed with
    hold                           while it is there nothing is synced; its text says why
    lock                           held while a sync runs
<GRUB's folder>/haoscar-pxe/       0700, root's
    vmlinuz, initramfs             what it was installed with, boots to finish a sync
    journal                        only while a committed sync is not finished
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from haoscar_pxe.errors import InstallError
from haoscar_pxe.image.manifest import Manifest, open_manifest
from haoscar_pxe.image.signing import TrustedKeys
from haoscar_pxe.install.sync.journal import Mounted
from haoscar_pxe.install.sync.plan import OwnFile
from haoscar_pxe.nodes.order import IdentityChange
from haoscar_pxe.nodes.standby import STANDBY_FOLDER

RECORD: Final = b"record.json"
MANIFEST: Final = b"manifest"
TRUSTED: Final = "trusted"
BUNDLE: Final = "bundle"
HOLD: Final = "hold"
LOCK: Final = "lock"


class StandbyRecord(Struct, frozen=True, kw_only=True):
    """Who a standby is and what it was made from.

    token: of the order that installed it. since_ns: when its tree was known to be exactly this
    generation under this identity (CLOCK_REALTIME). mounted: its file systems, "/" first.
    boot_folder: relative to the root. uses_heads_core: GRUB's core image on the disk is the
    head's own and loads modules from the tree.
    """

    server: str
    mac: str
    node: str
    token: str
    image: str
    generation: int
    manifest_id: str
    created_ns: int
    since_ns: int
    identity: tuple[IdentityChange, ...]
    mounted: tuple[Mounted, ...]
    boot_folder: str
    uses_heads_core: bool


class NoRecordError(InstallError):
    """This machine is no standby that a sync could bring anywhere."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"this machine has no record of a standby: {path}: {reason}",
            hint="only a standby that haoscar-pxe installed has one; install it anew",
        )


def own_folder(root: Path) -> Path:
    """The standby's own folder in the tree at root."""
    return root / os.fsdecode(STANDBY_FOLDER)


def read_record(root: Path) -> StandbyRecord:
    """The record of the standby whose tree is at root. Raises NoRecordError."""
    path = own_folder(root) / os.fsdecode(RECORD)
    try:
        return msgspec.json.decode(path.read_bytes(), type=StandbyRecord)
    except OSError as error:
        raise NoRecordError(path, error.strerror or str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NoRecordError(path, str(error)) from error


def record_files(record: StandbyRecord, sealed_manifest: bytes) -> tuple[OwnFile, OwnFile]:
    """The two files that change with every generation; the record, which counts, comes last."""
    return (
        OwnFile(STANDBY_FOLDER + b"/" + MANIFEST, sealed_manifest),
        OwnFile(STANDBY_FOLDER + b"/" + RECORD, msgspec.json.encode(record)),
    )


def trusted_keys(root: Path) -> TrustedKeys:
    """Whose manifests this standby believes. Raises ConfigError."""
    return TrustedKeys.from_folder(own_folder(root) / TRUSTED)


def own_manifest(root: Path, trusted: TrustedKeys) -> Manifest:
    """The manifest that the standby has. Raises IntegrityError, NoRecordError."""
    path = own_folder(root) / os.fsdecode(MANIFEST)
    try:
        sealed = path.read_bytes()
    except OSError as error:
        raise NoRecordError(path, error.strerror or str(error)) from error
    return open_manifest(sealed, trusted, str(path))


def hold(root: Path) -> str:
    """Why nothing may be synced now, "" if it may."""
    path = own_folder(root) / HOLD
    if not path.exists():
        return ""
    words = path.read_text(errors="replace").strip()
    return f"it is held by {path}" + (f": {words}" if words else "")
