"""The install order: all that a node is told to do; `boot` writes it, `install` carries it out.

It travels as JSON over HTTP (msgspec; bytes are base64 there). The manifest it names is signed;
the order is only obeyed for that manifest and for a disk its own plan accepts.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, TypeAlias

from msgspec import Struct

from haoscar_pxe.nodes.node import Interface, Wipe

AfterInstall: TypeAlias = Literal["reboot", "poweroff"]
BootOrder: TypeAlias = Literal["network", "disk"]


class IdentityChange(Struct, frozen=True, kw_only=True):
    """One declared difference between the standby's files and the image.

    path: relative to the root, as in entries. content: the whole new file; None removes it.
    A file that the image has keeps its owner, mode and xattrs; mode is for a new one (root's).
    reason: in words, for the printed list.
    """

    path: bytes
    content: bytes | None
    mode: int = 0o644
    reason: str


class InstallOrder(Struct, frozen=True, kw_only=True):
    """What to install and what may be touched for it.

    manifest_id: hexadecimal BLAKE3 of the signed manifest's file, so that the order means one
    generation and no other. token: sent back as "Authorization: Bearer …" with every request.
    patience_s: how long to wait for a server that went away before giving up. opening_keys: of the
    image's secrets, one line of text each (`image.sealing`): whoever reads the order has them.
    boot_order: what UEFI tries first from now on. keeps_record: the node shall be able to bring
    itself to newer generations (see `standby.py`).
    """

    node: str
    image: str
    generation: int
    manifest_id: str
    token: str
    interfaces: tuple[Interface, ...]
    identity: tuple[IdentityChange, ...]
    disk: str
    wipe: Wipe
    after: AfterInstall = "reboot"
    shell_on_failure: bool = False
    patience_s: int = 3600
    opening_keys: tuple[str, ...] = ()
    keeps_record: bool = False
    boot_order: BootOrder = "network"


class Step(StrEnum):
    """The steps of an installation, in their order, and of a standby that goes on from there."""

    STARTED = "started"
    NETWORK = "network"
    ORDER = "order"
    MANIFEST = "manifest"
    PLAN = "plan"
    PARTITION = "partition"
    FILE_SYSTEMS = "file systems"
    RESTORE = "restore"
    IDENTITY = "identity"
    BOOT_LOADER = "boot loader"
    INSTALLED = "installed"
    FAILED = "failed"
    RECORD = "record"
    SYNC = "sync"
    SYNCED = "synced"


class NodeEvent(Struct, frozen=True, kw_only=True):
    """What a node tells the server: one step begun, moving on, or the end.

    mac: of the interface it booted from. percent: 0..100 of the step, None where it has no length.
    message: one line for people. detail: more lines (the plan, a traceback), "" for none.
    generation: what the node is from now on; only a sync that is done says it.
    """

    mac: str
    step: Step
    percent: float | None = None
    message: str = ""
    detail: str = ""
    generation: int | None = None
