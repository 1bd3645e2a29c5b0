"""The installation as a list of steps, from a fetched order to a disk that boots.

Each step is told before it begins. Nothing is written to any disk before the plan was accepted;
what comes after it can be begun again from the start, as often as it takes (see `claim.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from haoscar_pxe.command import Run
from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.http_store import HttpStore
from haoscar_pxe.image.layout import Firmware
from haoscar_pxe.image.manifest import Manifest, manifest_id, open_manifest
from haoscar_pxe.image.reader import ChunkReader, entries
from haoscar_pxe.image.restore import restore
from haoscar_pxe.image.signing import TrustedKeys
from haoscar_pxe.install import boot_loader, efi_boot, file_systems, identity, partition_table
from haoscar_pxe.install.machine import MachineDisk
from haoscar_pxe.install.opening import opening_keys
from haoscar_pxe.install.plan import InstallPlan, explain, plan
from haoscar_pxe.install.report import Reporter, RestoreProgress
from haoscar_pxe.install.server import Server
from haoscar_pxe.install.sizing import ImageTotals
from haoscar_pxe.install.sync import leave
from haoscar_pxe.nodes.order import InstallOrder, Step

TRUSTED_KEYS: Final = Path("/etc/haoscar/trusted")
TARGET: Final = Path("/target")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an installation works with: the machine below it, the server beside it.

    firmware: how the machine was started. disks: reads its disks. target: an empty folder to
    mount the new system at. mac: of the interface it was booted by. bundle: where this program
    and all it needs lie, to be left on a standby.
    """

    server: Server
    reporter: Reporter
    run: Run
    firmware: Firmware
    disks: Callable[[], list[MachineDisk]]
    trusted: TrustedKeys
    target: Path = TARGET
    mac: str = ""
    bundle: Path = Path("/")


def install(order: InstallOrder, around: Surroundings) -> InstallPlan:
    """Install as ordered; on return the disk boots, and nothing is mounted.

    Raises HaoscarError. A refused plan (PlanRefusedError) means that no disk was touched.
    """
    manifest, sealed = _fetch_manifest(order, around)
    with closing(_packs(order, around.server)) as store:
        chunks = ChunkReader(store, opening=opening_keys(order.opening_keys, manifest))
        made = _make_plan(order, manifest, around)
        _prepare_disk(made, around)
        around.target.mkdir(exist_ok=True)
        with file_systems.mounted(made, around.target, around.run) as existing:
            _restore(manifest, chunks, existing, around)
            _apply_identity(order, around)
            _install_boot_loader(order, made, manifest, around)
            if order.keeps_record:
                _leave_record(order, manifest, sealed, made, around)
            os.sync()
    return made


def _fetch_manifest(order: InstallOrder, around: Surroundings) -> tuple[Manifest, bytes]:
    """The manifest that the order means and that a trusted key signed, no other; and its file."""
    name = f"{order.image} generation {order.generation}"
    around.reporter.say(Step.MANIFEST, f"fetching {name}")
    sealed = around.server.manifest(order)
    if manifest_id(sealed) != order.manifest_id:
        raise IntegrityError(
            f"the manifest of {name} is {manifest_id(sealed)[:12]}, the order means "
            f"{order.manifest_id[:12]}",
            hint="something between the server and this machine changed it; try again",
        )
    manifest = open_manifest(sealed, around.trusted, name)
    size = f"{manifest.entry_count} entries, {manifest.stored_bytes / 1e6:.0f} MB"
    around.reporter.say(Step.MANIFEST, f"{size}, signed by key {manifest.signed_by[:12]}")
    return manifest, sealed


def _packs(order: InstallOrder, server: Server) -> HttpStore:
    return HttpStore(
        server.base_url,
        order.token,
        pack_ids=server.pack_ids(order),
        other_url=server.other_url,
        patience_s=order.patience_s,
        on_wait=server.on_wait,
    )


def _make_plan(order: InstallOrder, manifest: Manifest, around: Surroundings) -> InstallPlan:
    around.reporter.say(Step.PLAN, "looking at this machine's disks")
    own_bytes = leave.OWN_BYTES if order.keeps_record else 0
    totals = ImageTotals(manifest.stored_bytes + own_bytes, manifest.entry_count)
    made = plan(manifest.layout, totals, around.disks(), order, around.firmware)
    around.reporter.say(Step.PLAN, f"{order.node} on {made.disk.path}", "\n".join(explain(made)))
    return made


def _prepare_disk(made: InstallPlan, around: Surroundings) -> None:
    count = f"{len(made.partitions)} partitions on {made.disk.path}"
    around.reporter.say(Step.PARTITION, count)
    partition_table.write(made, around.run)
    around.reporter.say(Step.FILE_SYSTEMS, f"making {', '.join(_devices(made))}")
    file_systems.make(made, around.run)


def _devices(made: InstallPlan) -> list[str]:
    return [each.device for each in made.partitions if file_systems.make_command(each)]


def _restore(
    manifest: Manifest, chunks: ChunkReader, existing: frozenset[bytes], around: Surroundings
) -> None:
    around.reporter.say(Step.RESTORE, f"{manifest.stored_bytes / 1e6:.0f} MB")
    progress = RestoreProgress(around.reporter, manifest.stored_bytes, manifest.entry_count)
    restore(entries(manifest, chunks), chunks, around.target, progress, allow_existing=existing)
    around.reporter.percent(Step.RESTORE, 100.0, progress.describe())


def _apply_identity(order: InstallOrder, around: Surroundings) -> None:
    around.reporter.say(Step.IDENTITY, f"{len(order.identity)} declared differences")
    lines = identity.apply(around.target, order.identity)
    around.reporter.say(Step.IDENTITY, f"this is {order.node} now", "\n".join(lines))


def _install_boot_loader(
    order: InstallOrder, made: InstallPlan, manifest: Manifest, around: Surroundings
) -> None:
    if made.firmware == "uefi":
        around.reporter.say(Step.BOOT_LOADER, "an entry in the firmware's memory")
        entry = efi_boot.install(made, around.target, order.boot_order, around.run)
        around.reporter.say(Step.BOOT_LOADER, entry)
        return
    around.reporter.say(Step.BOOT_LOADER, "GRUB, by the image's own tools")
    own_core = not manifest.layout.is_default
    what = boot_loader.install(made, around.target, own_core=own_core, run=around.run)
    around.reporter.say(Step.BOOT_LOADER, what)


def _leave_record(
    order: InstallOrder,
    manifest: Manifest,
    sealed: bytes,
    made: InstallPlan,
    around: Surroundings,
) -> None:
    around.reporter.say(Step.RECORD, "what this standby is, for the day it is brought up to date")
    what = leave.leave_record(
        order,
        manifest,
        sealed,
        made,
        around.server,
        around.trusted,
        around.target,
        grub=boot_loader.grub_folder(around.target),
        mac=around.mac,
        uses_heads_core=made.firmware == "bios"
        and boot_loader.has_heads_core(around.target, own_core=not manifest.layout.is_default),
        bundle=around.bundle,
    )
    around.reporter.say(Step.RECORD, what)
