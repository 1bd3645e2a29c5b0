"""The installer's last step: leave on the standby what brings it to newer generations."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from haoscar_pxe.image.durable import storage_errors
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.signing import TrustedKeys
from haoscar_pxe.install.plan import InstallPlan
from haoscar_pxe.install.server import Server
from haoscar_pxe.install.sync.journal import Mounted
from haoscar_pxe.install.sync.record import (
    BUNDLE,
    TRUSTED,
    StandbyRecord,
    own_folder,
    record_files,
)
from haoscar_pxe.nodes.order import InstallOrder
from haoscar_pxe.nodes.standby import FINISHER, STANDBY_FOLDER

BUNDLE_FOLDERS: Final = ("bin", "lib")
NOT_THE_BUNDLES: Final = ("modules", "firmware")
"""In the initramfs these lie beside the bundle's libraries; they belong to one kernel."""
BOOT_FILES: Final = ("vmlinuz", "initramfs")
OWN_BYTES: Final = 160 << 20
"""What all of it takes on the disk, roughly: bundle 70 MB, kernel and initramfs up to 80."""


def leave_record(
    order: InstallOrder,
    manifest: Manifest,
    sealed: bytes,
    made: InstallPlan,
    server: Server,
    trusted: TrustedKeys,
    target: Path,
    *,
    grub: str,
    mac: str,
    uses_heads_core: bool,
    bundle: Path,
) -> str:
    """Leave record, bundle and finisher in the tree at target; what was left, in words.

    grub: GRUB's folder below /boot. bundle: where this program's own files lie.
    Raises StorageError, ServerGoneError, ServerRefusedError.
    """
    boot_folder = f"boot/{grub}/{FINISHER}"
    record = StandbyRecord(
        server=server.base_url,
        mac=mac,
        node=order.node,
        token=order.token,
        image=order.image,
        generation=order.generation,
        manifest_id=order.manifest_id,
        created_ns=manifest.created_ns,
        since_ns=time.time_ns(),
        identity=order.identity,
        mounted=_mounted(made),
        boot_folder=boot_folder,
        uses_heads_core=uses_heads_core,
    )
    with storage_errors("leave the standby's record in", target):
        _leave_finisher(target / boot_folder, order, server)
        own = own_folder(target)
        with _unchanged_times(own.parent):
            own.mkdir(mode=0o700)
        _leave_keys(own / TRUSTED, trusted)
        _leave_bundle(own / BUNDLE, bundle)
        for file in record_files(record, sealed):
            path = target / os.fsdecode(file.path)
            path.touch(mode=0o600, exist_ok=False)
            path.write_bytes(file.content)
    return f"it can bring itself to newer generations; /{STANDBY_FOLDER.decode()} is its own"


def _mounted(made: InstallPlan) -> tuple[Mounted, ...]:
    found = [fs for each in made.mounts if (fs := each.file_system)]
    return tuple(Mounted(each.mount_point, each.uuid, each.kind) for each in found)


def _leave_finisher(folder: Path, order: InstallOrder, server: Server) -> None:
    with _unchanged_times(folder.parent):
        folder.mkdir(mode=0o700)
    for name in BOOT_FILES:
        path = folder / name
        path.touch(mode=0o600)
        path.write_bytes(server.boot_file(order, name))


def _leave_keys(folder: Path, trusted: TrustedKeys) -> None:
    folder.mkdir(mode=0o700)
    for number, key in enumerate(sorted(key.encode() for key in trusted.keys.values())):
        (folder / f"{number}.pub").write_text(f"{key}\n")


def _leave_bundle(folder: Path, bundle: Path) -> None:
    """Copy what this program runs from; applets and links of the initramfs are not part of it."""

    def foreign(at: str, names: list[str]) -> list[str]:
        links = [name for name in names if os.path.islink(os.path.join(at, name))]
        return [*links, *(NOT_THE_BUNDLES if Path(at) == bundle / "lib" else ())]

    folder.mkdir(mode=0o700)
    for name in BUNDLE_FOLDERS:
        shutil.copytree(bundle / name, folder / name, symlinks=True, ignore=foreign)


@contextmanager
def _unchanged_times(folder: Path) -> Iterator[None]:
    """A folder of the image gets a new name in it; that is declared, its times are not."""
    before = folder.stat()
    yield
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))
